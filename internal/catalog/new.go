package catalog

// NewAsset returns an empty asset of a kind; nil for kinds that are no assets of
// their own, such as columns.
func NewAsset(kind Kind) Asset {
	switch kind {
	case KindQuestion, KindModel, KindMetric:
		return &Question{}
	case KindDashboard:
		return &Dashboard{}
	case KindCollection:
		return &Collection{}
	case KindDatabase:
		return &Database{}
	case KindTable:
		return &Table{}
	case KindSegment:
		return &Segment{}
	case KindMeasure:
		return &Measure{}
	case KindSnippet:
		return &Snippet{}
	case KindSubscription:
		return &Subscription{}
	case KindAlert:
		return &Alert{}
	case KindTransform:
		return &Transform{}
	case KindAction:
		return &Action{}
	case KindDocument:
		return &Document{}
	case KindGroup:
		return &Group{}
	case KindPerson:
		return &Person{}
	case KindColumn:
		return nil
	}
	return nil
}
