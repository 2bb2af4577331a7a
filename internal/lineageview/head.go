package lineageview

import "github.com/metalens/metalens/internal/catalog"

// Head returns an asset without what it says: queries, definitions, template
// tags, result columns, visualizations, layouts and descriptions of columns are
// left out. What impact and navigation need stays: names, kinds, places,
// owners, exposure, filters with their mappings, tiles, deliveries, and the
// columns of tables with name, type and state. The result shares nothing that
// is changed with the original.
func Head(a catalog.Asset) catalog.Asset {
	switch a := a.(type) {
	case *catalog.Question:
		h := *a
		h.Query = catalog.Query{Language: a.Query.Language, DatabaseID: a.Query.DatabaseID, Dialect: a.Query.Dialect}
		h.Mappings, h.ResultColumns, h.Visualization, h.ClickTargets = nil, nil, nil, nil
		return &h
	case *catalog.Dashboard:
		h := *a
		h.Cards = make([]catalog.Dashcard, len(a.Cards))
		for i, c := range a.Cards {
			h.Cards[i] = catalog.Dashcard{
				ID: c.ID, QuestionID: c.QuestionID, SeriesIDs: c.SeriesIDs, ActionID: c.ActionID, TabID: c.TabID,
				Virtual: c.Virtual, Mappings: c.Mappings, InlineParameters: c.InlineParameters, QuestionRefused: c.QuestionRefused,
			}
		}
		return &h
	case *catalog.Table:
		h := *a
		h.Description = ""
		h.Columns = make([]*catalog.Column, len(a.Columns))
		for i, c := range a.Columns {
			h.Columns[i] = column(c)
		}
		return &h
	case *catalog.Segment:
		h := *a
		h.Definition = nil
		return &h
	case *catalog.Measure:
		h := *a
		h.Definition = nil
		return &h
	case *catalog.Snippet:
		h := *a
		h.SQL, h.Tags = "", nil
		return &h
	case *catalog.Transform:
		h := *a
		h.Query = catalog.Query{Language: a.Query.Language, DatabaseID: a.Query.DatabaseID, Dialect: a.Query.Dialect}
		h.SourceTables = nil
		return &h
	case *catalog.Action:
		h := *a
		h.SQL = ""
		return &h
	}
	return a // the others say nothing that is left out
}

func column(c *catalog.Column) *catalog.Column {
	return &catalog.Column{
		ID: c.ID, MetabaseID: c.MetabaseID, Name: c.Name, BaseType: c.BaseType, SemanticType: c.SemanticType,
		FKTargetID: c.FKTargetID, ParentID: c.ParentID, Inactive: c.Inactive, Visibility: c.Visibility,
		PrimaryKey: c.PrimaryKey, Sensitivity: c.Sensitivity,
	}
}

// heads is a snapshot of heads.
func heads(s *catalog.Snapshot) *catalog.Snapshot {
	out := &catalog.Snapshot{
		Instance: s.Instance, StartedAt: s.StartedAt, FinishedAt: s.FinishedAt, Gaps: s.Gaps, Requests: s.Requests, Usage: s.Usage, Marks: s.Marks,
	}
	for a := range s.All() {
		out.Add(Head(a))
	}
	return out
}
