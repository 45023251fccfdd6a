/** A page of a list, from which the next one follows. */
interface Page {
  readonly nextPageToken: string;
}

/** Iterates over the items of the page with this token and of all pages after it, fetching a page when it gets there. */
export async function* walk<P extends Page, Item>(
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
