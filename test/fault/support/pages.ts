interface Page {
  readonly next_page_token: string;
}

/** All pages of a list. */
export const allPages = async <P extends Page>(
  fetch: (page: { page_size: number; page_token: string }) => Promise<P>,
): Promise<readonly P[]> => {
  const pages: P[] = [];
  for (let page_token = ''; ;) {
    const page = await fetch({ page_size: 1000, page_token });
    pages.push(page);
    page_token = page.next_page_token;
    if (page_token === '') return pages;
  }
};
