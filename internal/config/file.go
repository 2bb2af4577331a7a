package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
	"go.yaml.in/yaml/v3"

	"github.com/metalens/metalens/internal/errs"
)

const fileLimit = 1 << 20

// readDotenv reads a .env file. It is never looked for: the path is explicit or
// lies in the data directory. Unknown names that begin like ours fail.
func (l *Loaded) readDotenv(path string, source Source, required bool) (layer, error) {
	raw, err := readSmall(path, fileLimit)
	if errors.Is(err, os.ErrNotExist) && !required {
		return layer{source: source}, nil
	}
	if err != nil {
		return layer{}, errs.Wrap(err, errs.Invalid, "env_file", fmt.Sprintf("The file %s cannot be read: %s.", path, reason(err)), "Check the path and its permissions.")
	}
	variables, err := godotenv.UnmarshalBytes(raw)
	if err != nil {
		// The parser's message may quote the line, and with it a secret.
		return layer{}, invalid("env_file", fmt.Sprintf("The file %s is not understood.", path), "Write one NAME=value a line; quote values with blanks or #.")
	}
	for name, text := range variables {
		if strings.HasSuffix(name, "_FILE") && text != "" && !filepath.IsAbs(text) {
			variables[name] = filepath.Join(filepath.Dir(path), text)
		}
	}
	out, unknown, err := l.fromVariables(source, variables, " in "+path)
	if err != nil {
		return layer{}, err
	}
	for _, name := range unknown {
		if foreign(name) && !strings.HasPrefix(name, "METABASE_") {
			continue
		}
		near := nearest(name, l.variables())
		if near == "" && strings.HasPrefix(name, "METABASE_") {
			continue // Metabase has variables of its own
		}
		return layer{}, unknownKey(name, path, near)
	}
	for key, v := range out.values {
		if k, _ := l.key(key); k.Secret && !strings.HasSuffix(v.detail, "_FILE") {
			l.warnReadable(path)
		}
		v.detail += " in " + path
		out.values[key] = v
	}
	return out, nil
}

// readFile reads metalens.yaml: the keys' names with dots as nesting.
func (l *Loaded) readFile(path string, required bool) (layer, error) {
	out := layer{SourceFile, map[string]value{}}
	raw, err := readSmall(path, fileLimit)
	if errors.Is(err, os.ErrNotExist) && !required {
		return out, nil
	}
	if err != nil {
		return layer{}, errs.Wrap(err, errs.Invalid, "config_file", fmt.Sprintf("The configuration file %s cannot be read: %s.", path, reason(err)), "Check the path and its permissions.")
	}
	var root yaml.Node
	if err := yaml.Unmarshal(raw, &root); err != nil {
		return layer{}, errs.Wrap(err, errs.Invalid, "config_file", fmt.Sprintf("The configuration file %s is not valid YAML%s.", path, yamlLine(err)), "Write it as key: value lines; metalens config check shows every key.")
	}
	if len(root.Content) == 0 {
		return out, nil
	}
	if err := l.walk(path, "", root.Content[0], &out, 0); err != nil {
		return layer{}, err
	}
	return out, nil
}

// yamlLine takes the line out of the parser's message and leaves the rest, which
// may quote the file.
func yamlLine(err error) string {
	_, rest, ok := strings.Cut(err.Error(), "line ")
	if !ok {
		return ""
	}
	digits := strings.TrimRight(rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))], " ")
	if digits == "" {
		return ""
	}
	return " near line " + digits
}

func (l *Loaded) walk(path, prefix string, node *yaml.Node, out *layer, depth int) error {
	where := fmt.Sprintf("%s:%d", path, node.Line)
	if node.Kind != yaml.MappingNode || depth > 4 {
		return invalid("config_file", fmt.Sprintf("%s: expected key: value lines here.", where), "metalens config check shows every key.")
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := prefix + node.Content[i].Value
		child := node.Content[i+1]
		where := fmt.Sprintf("%s:%d", path, node.Content[i].Line)
		key, known := l.key(name)
		fromFile := false
		if !known {
			key, fromFile = l.secretOfFile(name)
		}
		switch {
		case (known || fromFile) && child.Kind == yaml.SequenceNode:
			parts := make([]string, 0, len(child.Content))
			for _, c := range child.Content {
				parts = append(parts, c.Value)
			}
			child = &yaml.Node{Kind: yaml.ScalarNode, Value: strings.Join(parts, ",")}
		case (known || fromFile) && child.Kind != yaml.ScalarNode:
			return invalid("config_file", fmt.Sprintf("%s: %s wants one value.", where, name), key.Help+".")
		case !known && !fromFile && child.Kind == yaml.MappingNode && l.section(name):
			if err := l.walk(path, name+".", child, out, depth+1); err != nil {
				return err
			}
			continue
		case !known && !fromFile:
			return unknownKey(name, where, nearest(name, l.names()))
		}
		if _, twice := out.values[key.Name]; twice {
			return invalid("ambiguous_setting", fmt.Sprintf("%s: %s is set twice.", where, key.Name), "Keep one of them.")
		}
		text := child.Value
		if child.Tag == "!!null" {
			text = ""
		}
		if (key.Path || fromFile) && text != "" && !filepath.IsAbs(text) {
			text = filepath.Join(filepath.Dir(path), text)
		}
		if fromFile {
			var err error
			if text, err = l.readSecret(text, name+" in "+where, nil); err != nil {
				return err
			}
		} else if key.Secret {
			l.warnReadable(path)
		}
		out.values[key.Name] = value{text, where}
	}
	return nil
}

func (l *Loaded) section(name string) bool {
	for _, k := range l.keys {
		if strings.HasPrefix(k.Name, name+".") {
			return true
		}
	}
	return false
}

func (l *Loaded) names() []string {
	var names []string
	for _, k := range l.keys {
		names = append(names, k.Name)
		if k.Secret {
			names = append(names, k.Name+"_file")
		}
	}
	return names
}

func unknownKey(name, where, near string) error {
	hint := "metalens config check shows every key."
	if near != "" {
		hint = "Did you mean " + near + "?"
	}
	return invalid("unknown_setting", fmt.Sprintf("%s: %s is not a setting.", where, name), hint)
}
