package keys

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/metalens/metalens/internal/errs"
)

// checkPlace refuses a key file in a place where others, or other machines, get
// at it: a folder above it that other users may change, a folder that a program
// copies elsewhere, a git work tree.
func checkPlace(path string) error {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return fileError(err, path)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("resolve the key folder: %w", err)
	}
	for {
		if err := checkAncestor(dir); err != nil {
			return err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

func checkAncestor(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at a folder above the master key: %w", err)
	}
	mode := info.Mode()
	if uid, ok := owner(info); ok && uid != 0 && uid != os.Geteuid() {
		return errs.New(errs.Invalid, "key_owner", fmt.Sprintf("The master key lies below a folder of another user, who could replace it: %s.", dir),
			"Move the key to a folder of your own, or of root.")
	}
	// A sticky folder, such as /tmp, lets nobody replace what is not theirs.
	if mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 || mode.Perm()&0o020 != 0 && mode&fs.ModeSticky == 0 && !ownGroup(info) {
		return errs.New(errs.Invalid, "key_permissions", fmt.Sprintf("Other users of this machine could replace the master key: they may change the folder %s.", dir),
			fmt.Sprintf("Run: chmod go-w %q", dir))
	}
	if what := synced(dir); what != "" {
		return errs.New(errs.Invalid, "key_synced", fmt.Sprintf("The master key lies in a folder that is copied to other machines: %s (%s).", dir, what),
			"Move the key to a folder that stays on this machine, for example ~/.local/share/metalens/keys.")
	}
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
		return errs.New(errs.Invalid, "key_in_git", fmt.Sprintf("The master key lies in a git work tree: %s.", dir),
			"Move the key out of it, before it is committed. If it was, run metalens keys rotate and metalens keys rotate --data-keys.")
	}
	return nil
}

// syncedFolders are the names that programs give the folders they copy to other
// machines, in lower case; a name may go on after a space or a dash.
var syncedFolders = map[string]string{
	"dropbox": "Dropbox", "onedrive": "OneDrive", "google drive": "Google Drive", "googledrive": "Google Drive", "my drive": "Google Drive",
	"icloud drive": "iCloud", "icloud~": "iCloud", "mobile documents": "iCloud", "cloudstorage": "a cloud storage", "nextcloud": "Nextcloud",
	"owncloud": "ownCloud", "syncthing": "Syncthing", "box sync": "Box", "pcloud drive": "pCloud", "pclouddrive": "pCloud", "mega": "MEGA",
	"megasync": "MEGA", "seafile": "Seafile", "resilio sync": "Resilio Sync", "yandex.disk": "Yandex Disk", "proton drive": "Proton Drive",
}

// syncMarks are files by which such programs mark their folders.
var syncMarks = map[string]string{
	".dropbox": "Dropbox", ".dropbox.cache": "Dropbox", ".stfolder": "Syncthing", ".sync_nextcloud": "Nextcloud", ".owncloudsync.log": "ownCloud",
	".nextcloudsync.log": "Nextcloud", ".tmp.drivedownload": "Google Drive",
}

func synced(dir string) string {
	base := strings.ToLower(filepath.Base(dir))
	for name, what := range syncedFolders {
		if base == name || strings.HasPrefix(base, name+" ") || strings.HasPrefix(base, name+"-") {
			return what
		}
	}
	for mark, what := range syncMarks {
		// The configuration of Dropbox in the home folder has the mark's name too.
		if info, err := os.Lstat(filepath.Join(dir, mark)); err == nil && (mark != ".dropbox" || info.Mode().IsRegular()) {
			return what
		}
	}
	return ""
}
