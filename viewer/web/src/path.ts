// Paths of nodes as the server writes them: names joined by slashes, in a name "~" is
// "~0" and "/" is "~1" (as in a JSON pointer, RFC 6901). The root is "/".

export function escapeName(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

export function unescapeName(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** names splits a path into the names of its nodes; the root has none. */
export function names(path: string): string[] {
  return path.split('/').filter(Boolean).map(unescapeName);
}

export function joinNames(list: readonly string[]): string {
  return '/' + list.map(escapeName).join('/');
}

/** urlOf returns the address of a node below a prefix such as "api/v1/nodes". */
export function urlOf(prefix: string, path: string): string {
  return prefix + '/' + path.split('/').filter(Boolean).map(encodeURIComponent).join('/');
}

/** parentPath is the path of the node above; the root is its own. */
export function parentPath(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/'))) || '/';
}
