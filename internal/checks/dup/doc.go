// Package dup holds the checks about content that exists twice.
package dup
