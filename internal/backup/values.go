package backup

import (
	"encoding/binary"
	"fmt"
)

// The tags of values.
const (
	tagNull  = 0
	tagInt   = 1
	tagText  = 2
	tagBytes = 3
)

func appendValues(b []byte, values []any) ([]byte, error) {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			b = append(b, tagNull)
		case int64:
			b = binary.AppendVarint(append(b, tagInt), v)
		case string:
			b = append(binary.AppendUvarint(append(b, tagText), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(append(b, tagBytes), uint64(len(v))), v...)
		default:
			return nil, fmt.Errorf("back up a value: a %T is not known", v)
		}
	}
	return b, nil
}

func readValues(b []byte) ([]any, error) {
	var values []any
	for len(b) > 0 {
		tag := b[0]
		b = b[1:]
		switch tag {
		case tagNull:
			values = append(values, nil)
		case tagInt:
			n, size := binary.Varint(b)
			if size <= 0 {
				return nil, damaged(nil)
			}
			values, b = append(values, n), b[size:]
		case tagText, tagBytes:
			n, size := binary.Uvarint(b)
			if size <= 0 || n > uint64(len(b)-size) {
				return nil, damaged(nil)
			}
			content := b[size : size+int(n)]
			if tag == tagText {
				values = append(values, string(content))
			} else {
				values = append(values, content)
			}
			b = b[size+int(n):]
		default:
			return nil, damaged(nil)
		}
	}
	return values, nil
}
