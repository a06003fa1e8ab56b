/**
 * A path of this site, however it is written: browsers drop tabs and line feeds from addresses, and take a backslash for a
 * slash, so only what they make of it tells where it leads. Nothing for what leads to another site.
 */
export function ownPath(to: unknown, origin: string = location.origin): string | undefined {
  if (typeof to !== "string" || !to.startsWith("/") || !URL.canParse(to, origin)) return undefined;
  const url = new URL(to, origin);
  const path = `${url.pathname}${url.search}${url.hash}`;
  // What is left may begin with two slashes, as of "/.//elsewhere".
  return url.origin === origin && !path.startsWith("//") ? path : undefined;
}
