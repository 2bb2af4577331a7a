package sqllineage

import (
	"container/list"
	"sync"
)

// Hash names a kept result: a keyed hash of the text and of all that its result
// depends on but the schema.
type Hash = [32]byte

// cache keeps encoded results; those that were not used for longest go first.
// It is safe for concurrent use.
type cache struct {
	limit int64 // bytes

	mu    sync.Mutex
	size  int64
	known map[Hash]*list.Element
	order *list.List // of *cached, the last used one first
}

type cached struct {
	hash Hash
	body []byte
}

// cachedOverhead is what an entry takes beside its body.
const cachedOverhead = 200

func newCache(limit int64) *cache {
	return &cache{limit: limit, known: map[Hash]*list.Element{}, order: list.New()}
}

func (c *cache) get(h Hash) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.known[h]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).body //nolint:forcetypeassert // nothing else is in the list
}

func (c *cache) put(h Hash, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.known[h]; e != nil {
		c.drop(e)
	}
	if int64(len(body))+cachedOverhead > c.limit {
		return
	}
	c.known[h] = c.order.PushFront(&cached{h, body})
	c.size += int64(len(body)) + cachedOverhead
	for c.size > c.limit {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(e *list.Element) {
	was := c.order.Remove(e).(*cached) //nolint:forcetypeassert // nothing else is in the list
	delete(c.known, was.hash)
	c.size -= int64(len(was.body)) + cachedOverhead
}
