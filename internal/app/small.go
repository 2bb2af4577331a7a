package app

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
)

// VersionText is what the version command prints: the program's version, the
// commit it was built from where that is known, and the platform.
func VersionText() string {
	text := "metalens " + Version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 && !strings.Contains(Version, s.Value[:7]) {
				text += " (" + s.Value[:12] + ")"
			}
		}
	}
	return text + " " + runtime.GOOS + "/" + runtime.GOARCH + " " + runtime.Version()
}

// buildIdentity tells this program from every other build of it: what one build
// worked out from SQL, another may read better.
func buildIdentity() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Version
	}
	revision, modified := "", true
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if revision != "" && !modified {
		return Version + " " + revision
	}
	// A build from an edited tree or from a bare archive: the file itself.
	path, err := os.Executable()
	if err != nil {
		return Version
	}
	file, err := os.Stat(path)
	if err != nil {
		return Version
	}
	return fmt.Sprintf("%s %s %d %d", Version, revision, file.Size(), file.ModTime().UnixNano())
}

// ConfigCheck prints the settings with their origins and fails on variables of
// the environment that look like settings and are none.
func ConfigCheck(env Env, loaded *config.Loaded) error {
	if err := loaded.Print(env.Stdout); err != nil {
		return err
	}
	if _, err := loaded.Target(); err != nil {
		return err
	}
	if len(loaded.Unknown) > 0 {
		return errs.New(errs.Invalid, "unknown_setting", "Not a setting: "+strings.Join(loaded.Unknown, ", ")+".", "Remove them from the environment, or correct their names.")
	}
	return nil
}
