package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"grove/notify/peer"
	"grove/notify/peer/duty"
	"grove/notify/peer/duty/parcel"
	"grove/runtime/probe/secret"
	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/portable"
	"grove/tree/definition/source"
)

// A device that was taken is the file OWNER.NAME.yaml, which uses the definition in the
// directory of its alias, unless this manager has the same one itself.

var fileForm = regexp.MustCompile(`^([0-9a-f]{16})\.(.+)\.yaml$`)

func (d *Devices) file(k duty.Key) string {
	return filepath.Join(d.o.Dir, string(k.Owner)+"."+k.Name+".yaml")
}

// keyOfFile is the device that a file of the directory is about.
func keyOfFile(name string) (duty.Key, bool) {
	m := fileForm.FindStringSubmatch(name)
	if m == nil {
		return duty.Key{}, false
	}
	return duty.Key{Owner: peer.ID(m[1]), Name: m[2]}, true
}

// write writes the files of a device that is taken.
func (d *Devices) write(k duty.Key, p *parcel.Parcel) error {
	place, err := d.place(k, p.Instance.At)
	if err != nil {
		return err
	}
	files, err := d.files(k, p, place)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := writeFile(filepath.Join(d.o.Dir, filepath.FromSlash(f.Name)), f.Text); err != nil {
			return fmt.Errorf("files of %s: %w", k.Name, err)
		}
	}
	return nil
}

// writeFile puts a file in its place as a whole, unless it is there already.
func writeFile(name, text string) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// place is where a device hangs here: where it hangs at its owner, if nobody else is there.
// It keeps the place that it has.
func (d *Devices) place(k duty.Key, wanted tree.Path) (tree.Path, error) {
	if text, err := os.ReadFile(d.file(k)); err == nil {
		if documents, errs := source.ReadYAML(d.file(k), text); len(errs) == 0 && len(documents) == 1 {
			if v, ok := documents[0].Value.Field("at"); ok {
				if p, err := tree.ParsePath(v.Text); err == nil {
					return p, nil
				}
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	free := true
	for _, i := range d.own {
		free = free && !i.At.Contains(wanted) && !wanted.Contains(i.At)
	}
	if _, there := d.o.Tree.Lookup(wanted); free && !there {
		return wanted, nil
	}
	owner, err := tree.MustPath("/Taken").Child(d.o.NameOf(k.Owner))
	if err != nil {
		return tree.Root, err
	}
	return owner.Join(wanted)
}

// files are those of a device at a place, by their names in the directory.
func (d *Devices) files(k duty.Key, p *parcel.Parcel, place tree.Path) ([]portable.File, error) {
	application, known := d.same(p)
	var files []portable.File
	if !known {
		application = p.Definition.Alias
		for _, f := range p.Definition.Files {
			if !fs.ValidPath(f.Name) || strings.Contains(f.Name, "/") || strings.HasPrefix(f.Name, ".") {
				return nil, fmt.Errorf("%.80q is not the name of a file of a definition", f.Name)
			}
			files = append(files, portable.File{Name: application + "/" + f.Name, Text: f.Text})
		}
		if !aliasForm.MatchString(application) {
			return nil, fmt.Errorf("%.80q is not the name of a definition", application)
		}
		if err := d.foreign(k, files); err != nil {
			return nil, err
		}
	}
	asked, err := portable.Asked(portable.Request{
		Name: d.Name(k), Application: application, At: place, With: p.Instance.With, Properties: p.Instance.Properties,
	})
	if err != nil {
		return nil, err
	}
	return append(files, portable.File{Name: filepath.Base(d.file(k)), Text: asked}), nil
}

// texts calls do with every text in the options of a probe.
func texts(v reflect.Value, do func(string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			texts(v.Elem(), do)
		}
	case reflect.Struct:
		for k := range v.NumField() {
			texts(v.Field(k), do)
		}
	case reflect.Slice, reflect.Array:
		for k := range v.Len() {
			texts(v.Index(k), do)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			texts(v.MapIndex(k), do)
		}
	case reflect.String:
		do(v.String())
	}
}

// foreign refuses files of a definition that would change the one of another manager's device.
func (d *Devices) foreign(k duty.Key, files []portable.File) error {
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(d.o.Dir, filepath.FromSlash(f.Name)))
		if err != nil || string(text) == f.Text {
			continue
		}
		alias, _, _ := strings.Cut(f.Name, "/")
		entries, err := os.ReadDir(d.o.Dir)
		if err != nil {
			return fmt.Errorf("taken devices: %w", err)
		}
		for _, e := range entries {
			if other, ok := keyOfFile(e.Name()); ok && other.Owner != k.Owner && uses(filepath.Join(d.o.Dir, e.Name())) == alias {
				return fmt.Errorf("%s cannot be watched here: a device of %s has another definition of the name %s", k.Name, d.o.NameOf(other.Owner), alias)
			}
		}
	}
	return nil
}

// uses is the application that the file of a device asks for.
func uses(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	if documents, errs := source.ReadYAML(file, text); len(errs) == 0 && len(documents) == 1 {
		if v, ok := documents[0].Value.Field("use"); ok {
			return v.Text
		}
	}
	return ""
}

var aliasForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// same says whether this manager has the very definition of a parcel itself.
func (d *Devices) same(p *parcel.Parcel) (application string, ok bool) {
	own, errs := d.o.Trial().BuiltIn(p.Definition.Application)
	if own == nil || len(errs) > 0 {
		return "", false
	}
	packed, err := d.pack(own)
	return own.Application, err == nil && packed.definition.Sum == p.Definition.Sum && d.builtIn(own.Application)
}

// builtIn says that no file of the drop-in directory defines an application anew.
func (d *Devices) builtIn(application string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, i := range d.own {
		if i.Application == application && !i.Defined().BuiltIn {
			return false
		}
	}
	return true
}

// drop removes the file of a device that was taken. Its definition stays until Sweep.
func (d *Devices) drop(k duty.Key) error {
	if err := os.Remove(d.file(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("file of %s: %w", k.Name, err)
	}
	return nil
}

// Sweep removes what is left in the directory of devices that Watch has not named, and
// definitions that nothing uses. It comes before the definitions are loaded for the first time.
func (d *Devices) Sweep() error {
	d.mu.Lock()
	keep := slices.Collect(maps.Keys(d.late))
	d.mu.Unlock()
	known := map[string]bool{}
	used := map[string]bool{}
	for _, k := range keep {
		known[filepath.Base(d.file(k))] = true
		if app := uses(d.file(k)); app != "" {
			used[app] = true
		}
	}
	entries, err := os.ReadDir(d.o.Dir)
	if err != nil {
		return fmt.Errorf("taken devices: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !known[e.Name()] && !used[e.Name()] {
			errs = append(errs, os.RemoveAll(filepath.Join(d.o.Dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// Check implements duty.Local.
func (d *Devices) Check(_ context.Context, p *parcel.Parcel) error {
	dir, err := os.MkdirTemp(filepath.Dir(d.o.Dir), ".trial-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, err := d.files(p.Key, p, p.Instance.At)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := writeFile(filepath.Join(dir, filepath.FromSlash(f.Name)), f.Text); err != nil {
			return err
		}
	}
	plan, errs := d.o.Trial().Dir(dir)
	if err := errs.Err(); err != nil {
		// Another manager reads it, which need not know where this one has its files.
		return fmt.Errorf("%s cannot be watched here: %s", p.Key.Name, strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""))
	}
	i, ok := plan.Instance(d.Name(p.Key))
	if !ok {
		return fmt.Errorf("%s cannot be watched here: its definition grows nothing", p.Key.Name)
	}
	if p.Key.Owner == d.o.Self {
		return nil // What is watched then is in this manager's own files.
	}
	return d.mind(i, plan)
}

// mind refuses what a device of another manager is not to do here: its owner has looked as well,
// but this manager does not take its word for it.
func (d *Devices) mind(i *definition.Instance, plan *definition.Plan) error {
	if why := fixed(i, d.o.Settings().MoveLoopback); why != "" {
		return fmt.Errorf("%s cannot be watched here: %s", i.Name, why)
	}
	for n := range i.Probes {
		var refused error
		texts(reflect.ValueOf(i.Probes[n].Options), func(text string) {
			switch file := strings.HasPrefix(text, "file:"); {
			case refused != nil || !secret.Looks(text):
			case !d.o.Secrets:
				refused = errors.New("it wants a secret of this machine, and devices of others have those alone that lie in the directories of --secrets: start this manager with it")
			case !file:
				refused = errors.New("it wants a secret of an environment variable or a credential, and devices of others have those alone that are files in the directories of --secrets")
			}
		})
		if refused != nil {
			return fmt.Errorf("%s cannot be watched here: probe %q: %w", i.Name, i.Probes[n].Name, refused)
		}
	}
	for _, other := range plan.Definitions {
		if other.Application != i.Application {
			return fmt.Errorf("%s cannot be watched here: a definition of %q came with it", i.Name, other.Application)
		}
	}
	if len(plan.Instances) > 1 || len(plan.Discoveries) > 0 {
		return fmt.Errorf("%s cannot be watched here: more than one device came with it", i.Name)
	}
	return nil
}

// whyNot says why a device that should run does not.
func (d *Devices) whyNot(k duty.Key) error {
	if k.Owner == d.o.Self {
		return errors.New("no file asks for it any more")
	}
	loader := d.o.Trial()
	_, errs := loader.Dir(d.o.Dir)
	for _, e := range errs.Sorted() {
		if e.Pos.File == d.file(k) {
			return e
		}
	}
	return errors.New("its place in the tree belongs to another instance")
}

// packed is a definition as it travels.
type packed struct {
	definition *portable.Definition
	err        error
}

// pack makes a definition portable, once.
func (d *Devices) pack(of *definition.Definition) (*packed, error) {
	d.mu.Lock()
	p := d.packs[of]
	d.mu.Unlock()
	if p == nil {
		p = &packed{}
		p.definition, p.err = portable.Pack(of, d.o.Read)
		d.mu.Lock()
		d.packs[of] = p
		d.mu.Unlock()
	}
	return p, p.err
}
