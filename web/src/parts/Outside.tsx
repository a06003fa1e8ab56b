/** A link to another site, such as the forge; only http and https, all else is shown as text. */
export function Outside({ url, label }: { url: string; label: string }) {
  if (!/^https?:\/\//i.test(url)) return <span>{url}</span>;
  return (
    <a href={url} target="_blank" rel="noreferrer noopener">
      {label} ↗
    </a>
  );
}
