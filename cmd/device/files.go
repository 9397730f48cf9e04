package device

import (
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

// write writes the files of a device that is taken, and notes what they are.
func (d *Devices) write(c *coming, p *parcel.Parcel) (err error) {
	if c.at, err = d.place(c.key, p.Instance.At); err != nil {
		return err
	}
	defined, asked, _, err := d.files(c.key, p, c.at)
	if err != nil {
		return err
	}
	for _, f := range defined {
		fresh, err := writeFile(filepath.Join(d.o.Dir, filepath.FromSlash(f.Name)), f.Text)
		if err != nil {
			return fmt.Errorf("files of %s: %w", c.key.Name, err)
		}
		c.whole = c.whole || fresh
	}
	fresh, err := writeFile(filepath.Join(d.o.Dir, asked.Name), asked.Text)
	if err != nil {
		return fmt.Errorf("files of %s: %w", c.key.Name, err)
	}
	c.text, c.news = asked.Text, fresh || c.whole
	return nil
}

// writeFile puts a file in its place as a whole; fresh is false when it was there already.
func writeFile(name, text string) (fresh bool, err error) {
	if old, err := os.ReadFile(name); err == nil && string(old) == text {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return false, err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return false, err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return false, errors.Join(err, os.Remove(f.Name()))
	}
	return true, nil
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

// files are those of a device at a place, by their names in the directory: its definition, none
// if this manager has the same itself, and what asks for an instance of that. Own is the
// definition that this manager has.
func (d *Devices) files(k duty.Key, p *parcel.Parcel, place tree.Path) (defined []portable.File, asked portable.File, own *definition.Definition, err error) {
	application := p.Definition.Alias
	if own = d.same(p); own != nil {
		application = own.Application
	} else {
		for _, f := range p.Definition.Files {
			if !fs.ValidPath(f.Name) || strings.Contains(f.Name, "/") || strings.HasPrefix(f.Name, ".") {
				return nil, asked, nil, fmt.Errorf("%.80q is not the name of a file of a definition", f.Name)
			}
			defined = append(defined, portable.File{Name: application + "/" + f.Name, Text: f.Text})
		}
		if !aliasForm.MatchString(application) {
			return nil, asked, nil, fmt.Errorf("%.80q is not the name of a definition", application)
		}
		if err := d.foreign(k, defined); err != nil {
			return nil, asked, nil, err
		}
	}
	text, err := portable.Asked(portable.Request{
		Name: d.Name(k), Application: application, At: place, With: p.Instance.With, Properties: p.Instance.Properties,
	})
	return defined, portable.File{Name: filepath.Base(d.file(k)), Text: text}, own, err
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

// same returns the very definition of a parcel if this manager has it itself.
func (d *Devices) same(p *parcel.Parcel) *definition.Definition {
	own, errs := d.o.Trial.BuiltIn(p.Definition.Application)
	if own == nil || len(errs) > 0 {
		return nil
	}
	if packed, err := d.pack(own); err != nil || packed.definition.Sum != p.Definition.Sum || !d.builtIn(own.Application) {
		return nil
	}
	return own
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

// whyNot says why a device that should run does not.
func (d *Devices) whyNot(k duty.Key) error {
	if k.Owner == d.o.Self {
		return errors.New("no file asks for it any more")
	}
	_, errs := d.o.Trial.Dir(d.o.Dir)
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
