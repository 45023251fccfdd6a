package payments

import "iter"

// iteratePages returns an iterator over the items of the page with this token and of all later pages. It fetches pages
// as needed. An error, with the zero item, ends the iteration. Ranging over the iterator again starts from the
// beginning.
func iteratePages[Item any](
	token string, fetch func(token string) (items []Item, nextToken string, err error),
) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for next := token; ; {
			items, nextToken, err := fetch(next)
			if err != nil {
				var zero Item
				yield(zero, err)
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
