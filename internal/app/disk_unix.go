//go:build unix

package app

import (
	"fmt"
	"syscall"

	"github.com/metalens/metalens/internal/operator"
)

// diskOf measures the file system of a folder.
func diskOf(path string) (operator.Disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return operator.Disk{}, fmt.Errorf("measure the disk: %w", err)
	}
	size := int64(s.Bsize) //nolint:unconvert,nolintlint // the type differs between systems
	return operator.Disk{Free: int64(s.Bavail) * size, Total: int64(s.Blocks) * size}, nil
}
