package sqlsuite

// Suite is one set of cases.
type Suite struct {
	Name string
	Run  func(r *Report, corpus string) error
}

// Suites lists all suites in the order of the table.
func Suites() []Suite {
	return []Suite{
		{"macaw", Macaw},
		{"bytebase", Bytebase},
		{"sqllineage", SQLLineage},
		{"teamster", Teamster},
		{"mozilla", Mozilla},
		{"rewrites", Rewrites},
		{"requalified", Requalified},
		{"mimic", Mimic},
		{"parse", Parse},
	}
}
