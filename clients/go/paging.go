package payments

import "iter"

// walk returns an iterator over the items of the page with this token and of all pages after it. It fetches a page when
// it needs one. An error ends it, and its item is the zero value. Ranging over it again starts again.
func walk[Item any](
	token string, fetch func(token string) (items []Item, nextToken string, err error),
) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for next := token; ; {
			items, nextToken, err := fetch(next)
			if err != nil {
				var none Item
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if nextToken == "" {
				return
			}
			next = nextToken
		}
	}
}
