package host

import (
	"path"
	"slices"
	"strings"

	"grove/runtime/probe"
)

// maxPatterns bounds each list of patterns.
const maxPatterns = 200

// Options are the options of the kind "host". All of them have defaults: a probe
// without any reads every section.
type Options struct {
	Sections    []string          `yaml:"sections,omitempty" jsonschema:"description=Which sections to read; all when empty: cpu\\, memory\\, swap\\, load\\, uptime\\, system\\, processes\\, filesystems\\, disks\\, networks\\, sensors."`
	Filesystems FilesystemOptions `yaml:"filesystems,omitempty" jsonschema:"description=Which file systems the table filesystems lists."`
	Disks       DiskOptions       `yaml:"disks,omitempty" jsonschema:"description=Which block devices the table disks lists."`
	Networks    Filter            `yaml:"networks,omitempty" jsonschema:"description=Which network interfaces the table networks lists; lo and veth* are left out unless they are included by name."`
}

// Filter chooses names by shell patterns as in Go's path.Match. A name is chosen
// when a pattern of Include matches it; when Include is empty, all but the kind's
// own exceptions are. A pattern of Exclude takes it out again.
type Filter struct {
	Include []string `yaml:"include,omitempty" jsonschema:"description=Patterns of names to list\\, such as eth*; all but the usual exceptions when empty."`
	Exclude []string `yaml:"exclude,omitempty" jsonschema:"description=Patterns of names to leave out."`
}

// FilesystemOptions choose file systems.
type FilesystemOptions struct {
	Include      []string `yaml:"include,omitempty" jsonschema:"description=Patterns of mount points to list\\, such as /srv/*; those are listed whatever their type is. All that hold files of their own when empty."`
	Exclude      []string `yaml:"exclude,omitempty" jsonschema:"description=Patterns of mount points to leave out."`
	ExcludeTypes []string `yaml:"exclude_types,omitempty" jsonschema:"description=Patterns of file system types to leave out\\, such as nfs*."`
}

// DiskOptions choose block devices.
type DiskOptions struct {
	Include    []string `yaml:"include,omitempty" jsonschema:"description=Patterns of device names to list\\, such as nvme*; all disks but loop devices\\, RAM disks and optical drives when empty."`
	Exclude    []string `yaml:"exclude,omitempty" jsonschema:"description=Patterns of device names to leave out."`
	Partitions bool     `yaml:"partitions,omitempty" jsonschema:"description=List the partitions of the disks too."`
}

// check says which option is wrong.
func (o *Options) check() error {
	for i, name := range o.Sections {
		if _, ok := sectionNamed(name); !ok {
			return probe.BadOption("sections", "there is no section %q; there are %s", name, strings.Join(sectionNames(), ", "))
		}
		if slices.Contains(o.Sections[:i], name) {
			return probe.BadOption("sections", "%q is named twice", name)
		}
	}
	for _, list := range []struct {
		option   string
		patterns []string
	}{
		{"filesystems.include", o.Filesystems.Include},
		{"filesystems.exclude", o.Filesystems.Exclude},
		{"filesystems.exclude_types", o.Filesystems.ExcludeTypes},
		{"disks.include", o.Disks.Include},
		{"disks.exclude", o.Disks.Exclude},
		{"networks.include", o.Networks.Include},
		{"networks.exclude", o.Networks.Exclude},
	} {
		if len(list.patterns) > maxPatterns {
			return probe.BadOption(list.option, "%d patterns are more than the %d that are allowed", len(list.patterns), maxPatterns)
		}
		for _, p := range list.patterns {
			if _, err := path.Match(p, ""); err != nil {
				return probe.BadOption(list.option, "%q is no pattern: a bracket is not closed, or a backslash ends it", p)
			}
		}
	}
	return nil
}

// chooses applies Include, the kind's own exceptions, and Exclude.
func (f Filter) chooses(name string, exceptions ...string) bool {
	if matches(f.Exclude, name) {
		return false
	}
	if len(f.Include) > 0 {
		return matches(f.Include, name)
	}
	return !matches(exceptions, name)
}

// matches says whether one of the patterns, all checked before, matches the name.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok
	})
}
