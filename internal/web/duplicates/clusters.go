package duplicates

import "github.com/metalens/metalens/internal/similar"

// Clusters lists the clusters in the order of [similar.Find].
func (c *Content) Clusters() []similar.Cluster {
	list := make([]similar.Cluster, len(c.clusters))
	for i, one := range c.clusters {
		list[i] = one.Cluster
	}
	return list
}
