/** One page of a list. */
interface Page {
  readonly nextPageToken: string;
}

/** Iterates over the items of the page with this token and of all later pages. It fetches pages as needed. */
export async function* iteratePages<P extends Page, Item>(
  firstToken: string,
  fetchPage: (pageToken: string) => Promise<P>,
  itemsOf: (page: P) => readonly Item[],
): AsyncGenerator<Item, void, undefined> {
  let pageToken = firstToken;
  do {
    const page = await fetchPage(pageToken);
    yield* itemsOf(page);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}
