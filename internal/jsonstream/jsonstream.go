// Package jsonstream helps to read large JSON documents member by member, so
// that memory grows with what is kept only.
package jsonstream

import "encoding/json"

// Skip passes over the value that comes next without keeping it.
func Skip(d *json.Decoder) error {
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
