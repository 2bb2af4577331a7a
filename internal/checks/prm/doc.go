// Package prm holds the checks about who may see and do what. They need an
// admin's key: only admins may read permissions.
package prm
