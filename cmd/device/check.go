package device

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"

	"grove/notify/peer/duty/parcel"
	"grove/runtime/probe/secret"
	"grove/tree/definition"
	"grove/tree/definition/portable"
	"grove/tree/definition/source"
)

// trials remembers definitions of others that were found to be right: 1,000 devices have few.
type trials struct {
	mu    sync.Mutex
	right map[[sha256.Size]byte]*definition.Definition // by the names and texts of their files
}

// maxTrials bounds the definitions that are remembered.
const maxTrials = 256

func (t *trials) get(sum [sha256.Size]byte) *definition.Definition {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.right[sum]
}

func (t *trials) put(sum [sha256.Size]byte, d *definition.Definition) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.right == nil || len(t.right) >= maxTrials {
		t.right = map[[sha256.Size]byte]*definition.Definition{}
	}
	t.right[sum] = d
}

// sumOf tells files apart.
func sumOf(files []portable.File) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%s %d\n%s", f.Name, len(f.Text), f.Text)
	}
	h.Sum(sum[:0])
	return sum
}

// Check implements duty.Local.
func (d *Devices) Check(_ context.Context, p *parcel.Parcel) error {
	defined, asked, own, err := d.files(p.Key, p, p.Instance.At)
	if err != nil {
		return err
	}
	if own == nil {
		own = d.trials.get(sumOf(defined))
	}
	var plan *definition.Plan
	if own == nil {
		plan, err = d.try(append(defined, asked))
	} else {
		var errs source.Errors
		plan, errs = d.o.Trial.Extend(&definition.Plan{Definitions: []*definition.Definition{own}}, nil, definition.Text{File: asked.Name, Text: asked.Text})
		err = errs.Err()
	}
	if err != nil {
		return fmt.Errorf("%s cannot be watched here: %w", p.Key.Name, err)
	}
	i, ok := plan.Instance(d.Name(p.Key))
	if !ok {
		return fmt.Errorf("%s cannot be watched here: its definition grows nothing", p.Key.Name)
	}
	if own == nil && len(plan.Definitions)+len(plan.Instances)+len(plan.Discoveries) == 2 { // Nothing else came with it.
		d.trials.put(sumOf(defined), i.Defined())
	}
	if p.Key.Owner == d.o.Self {
		return nil // What is watched then is in this manager's own files.
	}
	return d.mind(i, plan)
}

// try loads files as a trial. Its error does not say where this manager has them, which the one
// that reads it need not know.
func (d *Devices) try(files []portable.File) (*definition.Plan, error) {
	dir, err := os.MkdirTemp(filepath.Dir(d.o.Dir), ".trial-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, f := range files {
		if _, err := writeFile(filepath.Join(dir, filepath.FromSlash(f.Name)), f.Text); err != nil {
			return nil, err
		}
	}
	plan, errs := d.o.Trial.Dir(dir)
	if err := errs.Err(); err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""))
	}
	return plan, nil
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
