package config

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Print writes every setting with its value and where it came from. Secrets
// are not shown.
func (l *Loaded) Print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(out, "SETTING\tVALUE\tFROM"); err != nil {
		return err
	}
	for _, k := range l.keys {
		shown := k.show(&l.Config)
		if shown == "" {
			shown = "-"
		}
		if _, err := fmt.Fprintf(out, "%s\t%s\t%s\n", k.Name, shown, l.Origin(k.Name)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Show returns a key's value as people may see it, "" when it has none.
func (l *Loaded) Show(name string) string {
	k, ok := l.key(name)
	if !ok {
		return ""
	}
	return k.show(&l.Config)
}

// ShowIn returns a key's value of a configuration as people may see it.
func (k Key) ShowIn(c *Config) string { return k.show(c) }
