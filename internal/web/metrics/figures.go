package metrics

import "github.com/metalens/metalens/internal/similar"

// Metrics lists the figures that content names, sorted by name.
func (c *Content) Metrics() []similar.Metric {
	list := make([]similar.Metric, len(c.figures))
	for i, f := range c.figures {
		list[i] = similar.Metric{ID: f.ID, Name: f.Name, Definitions: f.Definitions}
	}
	return list
}

// Conflicts lists where figures disagree: one name with several definitions
// first, then one definition with several names.
func (c *Content) Conflicts() []similar.Conflict {
	list := make([]similar.Conflict, 0, len(c.names)+len(c.synonym))
	for _, figures := range [][]figure{c.names, c.synonym} {
		for _, f := range figures {
			list = append(list, similar.Conflict{ID: f.ID, Kind: f.Kind, Name: f.Name, Definitions: f.Definitions})
		}
	}
	return list
}
