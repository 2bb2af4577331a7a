package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/errs"
)

// Source is a place that settings come from.
type Source string

// The sources, from the weakest to the strongest.
const (
	SourceDefault Source = "default"
	SourceFile    Source = "file"         // metalens.yaml
	SourceDataEnv Source = "data .env"    // .env in the data directory
	SourceEnvFile Source = "env file"     // --env-file
	SourceProcess Source = "environment"  // of this process
	SourceFlag    Source = "command line" // flags
)

// Origin says where a value came from.
type Origin struct {
	Source Source
	Detail string // "METALENS_LISTEN", "/etc/metalens.yaml:12", "--listen"
}

// String returns the origin for people.
func (o Origin) String() string {
	if o.Detail == "" {
		return string(o.Source)
	}
	if o.Source == SourceFlag || o.Source == SourceFile {
		return o.Detail
	}
	return o.Detail + " (" + string(o.Source) + ")"
}

// Flag is a setting given on the command line.
type Flag struct {
	Key   string // a key's name, with _file behind it for a file that holds the secret
	Flag  string // as typed: --listen
	Value string // a file named "-" is standard input
}

// Inputs is everything settings are read from.
type Inputs struct {
	Flags       []Flag
	Environ     []string // as os.Environ
	EnvFile     string   // --env-file; replaces the data directory's .env
	File        string   // --config; empty = METALENS_CONFIG, else metalens.yaml in the data directory
	DefaultData string
	Stdin       io.Reader
}

// Loaded are the settings with their origins.
type Loaded struct {
	Config   Config
	Warnings []string // for people; never hold a value
	Unknown  []string // variables of the environment that look like settings and are none

	layers []layer
	keys   []Key
}

// layer is the values of one source.
type layer struct {
	source Source
	values map[string]value // key name → value
}

type value struct {
	text   string
	detail string
}

// Origin says where a key's value came from.
func (l *Loaded) Origin(key string) Origin {
	for _, layer := range slices.Backward(l.layers) {
		if v, ok := layer.values[key]; ok {
			return Origin{layer.source, v.detail}
		}
	}
	return Origin{Source: SourceDefault}
}

// Load reads the settings. Errors are of kind Invalid and name the key and the
// place.
func Load(in Inputs) (*Loaded, error) {
	l := &Loaded{keys: Keys()}
	flags, err := l.readFlags(in)
	if err != nil {
		return nil, err
	}
	process, err := l.readEnviron(in.Environ)
	if err != nil {
		return nil, err
	}
	envFile := layer{source: SourceEnvFile}
	if in.EnvFile != "" {
		if envFile, err = l.readDotenv(in.EnvFile, SourceEnvFile, true); err != nil {
			return nil, err
		}
	}
	file := layer{source: SourceFile}
	explicit := in.File
	if explicit == "" {
		explicit = variable(in.Environ, "METALENS_CONFIG")
	}
	if explicit != "" {
		if file, err = l.readFile(explicit, true); err != nil {
			return nil, err
		}
	}
	// The data directory is settled first: it may hold a file and a .env, which
	// therefore cannot move it.
	l.layers = []layer{file, envFile, process, flags}
	l.Config = defaults(in.DefaultData)
	if err := l.apply("data"); err != nil {
		return nil, err
	}
	data := l.Config.Data
	dataEnv := layer{source: SourceDataEnv}
	if in.EnvFile == "" && data != "" {
		if dataEnv, err = l.readDotenv(filepath.Join(data, ".env"), SourceDataEnv, false); err != nil {
			return nil, err
		}
	}
	if explicit == "" && data != "" {
		if file, err = l.readFile(filepath.Join(data, "metalens.yaml"), false); err != nil {
			return nil, err
		}
		if v, ok := file.values["data"]; ok {
			return nil, invalid("data_in_data", "The setting data in "+v.detail+" cannot move the data directory it stands in.",
				"Remove it there; set METALENS_DATA or use --data.")
		}
	}
	if v, ok := dataEnv.values["data"]; ok && !samePath(v.text, data) {
		return nil, invalid("data_in_data", "METALENS_DATA in "+filepath.Join(data, ".env")+" cannot move the data directory it stands in.",
			"Remove it there; set METALENS_DATA in the environment or use --data.")
	}
	l.layers = []layer{file, dataEnv, envFile, process, flags}
	for _, k := range l.keys {
		if err := l.apply(k.Name); err != nil {
			return nil, err
		}
	}
	l.guardModelKey()
	return l, nil
}

func samePath(a, b string) bool {
	a, err := filepath.Abs(a)
	return err == nil && a == b
}

// apply sets one key from its strongest source.
func (l *Loaded) apply(name string) error {
	for _, layer := range slices.Backward(l.layers) {
		v, ok := layer.values[name]
		if !ok {
			continue
		}
		i := slices.IndexFunc(l.keys, func(k Key) bool { return k.Name == name })
		key := l.keys[i]
		if err := key.set(&l.Config, v.text); err != nil {
			what := fmt.Sprintf("%q ", v.text)
			if key.Secret || strings.Contains(v.text, "@") { // an address may carry a password
				what = "its value "
			}
			return invalid("bad_setting", fmt.Sprintf("The setting %s (%s): %s%s.", name, Origin{layer.source, v.detail}, what, err), key.Help+".")
		}
		return nil
	}
	return nil
}

func (l *Loaded) readFlags(in Inputs) (layer, error) {
	out := layer{SourceFlag, map[string]value{}}
	for _, f := range in.Flags {
		name, isFile := f.Key, false
		key, ok := l.key(name)
		if !ok {
			if key, ok = l.secretOfFile(name); !ok {
				return layer{}, fmt.Errorf("config: flag %s names the unknown key %s", f.Flag, f.Key)
			}
			isFile = true
		}
		text := f.Value
		if isFile {
			var err error
			if text, err = l.readSecret(f.Value, f.Flag, in.Stdin); err != nil {
				return layer{}, err
			}
		}
		out.values[key.Name] = value{text, f.Flag}
	}
	return out, nil
}

// readEnviron takes the settings out of an environment. Unknown METALENS_
// variables are kept for [Loaded.Unknown]; near misses warn.
func (l *Loaded) readEnviron(environ []string) (layer, error) {
	values := map[string]string{}
	for _, pair := range environ {
		if name, text, ok := strings.Cut(pair, "="); ok {
			values[name] = text
		}
	}
	out, unknown, err := l.fromVariables(SourceProcess, values, "")
	if err != nil {
		return layer{}, err
	}
	for _, name := range unknown {
		if foreign(name) {
			continue
		}
		l.Unknown = append(l.Unknown, name)
		if near := nearest(name, l.variables()); near != "" {
			l.Warnings = append(l.Warnings, fmt.Sprintf("%s is not a setting and was ignored. Did you mean %s?", name, near))
		}
	}
	return out, nil
}

// fromVariables reads settings from named variables; unknown lists those that
// begin like ours and are none, sorted.
func (l *Loaded) fromVariables(source Source, variables map[string]string, where string) (out layer, unknown []string, err error) {
	out = layer{source, map[string]value{}}
	used := map[string]bool{}
	for _, k := range l.keys {
		for _, name := range k.Env {
			text, plain := variables[name]
			used[name] = true
			path, file := "", false
			if k.Secret {
				path, file = variables[name+"_FILE"]
				used[name+"_FILE"] = true
				file = file && path != ""
			}
			if plain && text != "" && file {
				return layer{}, nil, invalid("ambiguous_setting", fmt.Sprintf("Both %s and %s_FILE are set%s.", name, name, where), "Keep one of them.")
			}
			if _, taken := out.values[k.Name]; taken {
				continue
			}
			switch {
			case file:
				secretText, err := l.readSecret(path, name+"_FILE", nil)
				if err != nil {
					return layer{}, nil, err
				}
				out.values[k.Name] = value{secretText, name + "_FILE"}
			case plain && text != "":
				out.values[k.Name] = value{text, name}
			}
		}
	}
	for name := range variables {
		if !used[name] && (strings.HasPrefix(name, "METALENS_") || strings.HasPrefix(name, "METABASE_")) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return out, unknown, nil
}

// foreign reports variables that begin like ours and belong to something else:
// the choice of the file itself, tests, direct database connections, service
// links of container platforms and Metabase's own variables.
func foreign(name string) bool {
	if name == "METALENS_CONFIG" || strings.HasPrefix(name, "METABASE_") {
		return true
	}
	for _, prefix := range []string{"METALENS_TEST_", "METALENS_SKIP_", "METALENS_CORPUS", "METALENS_CHROMIUM", "METALENS_WAREHOUSE_", "METALENS_SERVICE_", "METALENS_PORT"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (l *Loaded) key(name string) (Key, bool) {
	i := slices.IndexFunc(l.keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return Key{}, false
	}
	return l.keys[i], true
}

// secretOfFile returns the secret key that <name>_file stands for.
func (l *Loaded) secretOfFile(name string) (Key, bool) {
	base, ok := strings.CutSuffix(name, "_file")
	if !ok {
		return Key{}, false
	}
	k, ok := l.key(base)
	return k, ok && k.Secret
}

func (l *Loaded) variables() []string {
	var names []string
	for _, k := range l.keys {
		for _, name := range k.Env {
			names = append(names, name)
			if k.Secret {
				names = append(names, name+"_FILE")
			}
		}
	}
	return names
}

// readSecret reads a file that holds one secret; "-" is standard input.
func (l *Loaded) readSecret(path, where string, stdin io.Reader) (string, error) {
	const limit = 64 << 10
	var raw []byte
	var err error
	if path == "-" && stdin != nil {
		raw, err = io.ReadAll(io.LimitReader(stdin, limit))
	} else {
		raw, err = readSmall(path, limit)
	}
	if err != nil {
		return "", errs.Wrap(err, errs.Invalid, "secret_file", fmt.Sprintf("The file %s that %s names cannot be read: %s.", path, where, reason(err)),
			"Check the path and its permissions.")
	}
	text := strings.TrimSpace(string(raw))
	if text == "" {
		return "", invalid("secret_file", fmt.Sprintf("The file %s that %s names is empty.", path, where), "Put the secret into it, on one line.")
	}
	l.warnReadable(path)
	return text, nil
}

func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = errors.New("it is too large")
	}
	return raw, err
}

// warnReadable notes files with secrets that everybody on the machine can read.
// Secrets mounted by container platforms are such by design.
func (l *Loaded) warnReadable(path string) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o004 == 0 || strings.HasPrefix(path, "/run/secrets/") {
		return
	}
	warning := fmt.Sprintf("%s holds a secret and every user of this machine can read it. Run: chmod 600 %s", path, path)
	if !slices.Contains(l.Warnings, warning) {
		l.Warnings = append(l.Warnings, warning)
	}
}

func variable(environ []string, name string) string {
	for _, pair := range slices.Backward(environ) {
		if text, ok := strings.CutPrefix(pair, name+"="); ok {
			return text
		}
	}
	return ""
}

// reason says why a file could not be read, without Go's wording.
func reason(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "it does not exist"
	case errors.Is(err, os.ErrPermission):
		return "permission denied"
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

func invalid(code, public, hint string) error { return errs.New(errs.Invalid, code, public, hint) }
