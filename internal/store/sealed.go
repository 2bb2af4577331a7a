package store

// SealSystem seals what belongs to the installation, not to an organization:
// it opens as long as the master key does. table and row bind it to where it is
// kept.
func (s *Store) SealSystem(plain []byte, table, row string) ([]byte, error) {
	key, err := s.master.SystemKey()
	if err != nil {
		return nil, err
	}
	return key.Seal(plain, table, row), nil
}

// OpenSystem opens what [Store.SealSystem] sealed for the same place.
func (s *Store) OpenSystem(sealed []byte, table, row string) ([]byte, error) {
	key, err := s.master.SystemKey()
	if err != nil {
		return nil, err
	}
	return key.Open(sealed, table, row)
}
