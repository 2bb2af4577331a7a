package finding

// Health is the score of an instance: 0 (bad) to 100, per check family and
// overall. It is comparable over time and between instances of different size.
type Health struct {
	Score    int                     `json:"score"`
	Families map[string]FamilyHealth `json:"families"`
}

// FamilyHealth is the score of one check family.
type FamilyHealth struct {
	Score    int `json:"score"`
	Findings int `json:"findings"` // open findings that count
	Assets   int `json:"assets"`   // assets the family judged
}
