package definition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"grove/tree/definition/source"
)

// usedBy returns the columns whose cells decide what a shape grows for a row: the key,
// and those that its texts with variables, conditions and loops name. What only feeds a
// node is not among them. It is nil when a text says row in another way than row.column.
func (r *rowInfo) usedBy(s *shape) []string {
	used := map[string]bool{r.key: true}
	if !s.uses(used) {
		return nil
	}
	return slices.Sorted(maps.Keys(used))
}

// uses adds the columns that a shape and all below it names; false: it may be any.
func (s *shape) uses(used map[string]bool) bool {
	texts := []string{s.name.String(), s.eachText.String(), s.whereTxt.String()}
	for i := range s.texts {
		texts = append(texts, s.texts[i].text.String())
	}
	texts = appendTexts(appendTexts(texts, s.each), s.where)
	for _, f := range s.frames {
		texts = appendTexts(texts, f.with)
		for _, p := range f.template.params {
			if p.Default != nil {
				texts = append(texts, fmt.Sprint(p.Default.Plain()))
			}
		}
	}
	for _, text := range texts {
		if !columnsIn(text, used) {
			return false
		}
	}
	for _, c := range s.children {
		if !c.uses(used) {
			return false
		}
	}
	return true
}

func appendTexts(texts []string, v *source.Value) []string {
	if v == nil {
		return texts
	}
	texts = append(texts, v.Text)
	for i := range v.Items {
		texts = appendTexts(texts, &v.Items[i])
	}
	for i := range v.Fields {
		texts = appendTexts(append(texts, v.Fields[i].Key), &v.Fields[i].Value)
	}
	return texts
}

// columnsIn adds the columns that a text names as row.column; false: it may be any.
func columnsIn(text string, used map[string]bool) bool {
	const word = "row"
	for i := 0; ; {
		k := strings.Index(text[i:], word)
		if k < 0 {
			return true
		}
		begin := i + k
		i = begin + len(word)
		if begin > 0 && isNameByte(text[begin-1]) || i < len(text) && isNameByte(text[i]) {
			continue // part of another word
		}
		end := i + 1
		for end < len(text) && isNameByte(text[end]) {
			end++
		}
		if i >= len(text) || text[i] != '.' || end == i+1 {
			return false
		}
		used[text[i+1:end]] = true
		i = end
	}
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
