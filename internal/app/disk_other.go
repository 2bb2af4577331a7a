//go:build !unix

package app

import (
	"errors"

	"github.com/metalens/metalens/internal/operator"
)

func diskOf(string) (operator.Disk, error) {
	return operator.Disk{}, errors.New("the size of the disk is not known on this system")
}
