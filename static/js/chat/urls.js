// The site's addresses, under the names that chat/views/urls.py gives them: no other module writes
// one down.

const PATHS = {
  home: "/",
  login: "/accounts/login/",
  conversation: "/c/{id}/",
  conversation_rename: "/c/{id}/rename/",
  conversation_delete: "/c/{id}/delete/",
  export_md: "/c/{id}/export.md",
  export_json: "/c/{id}/export.json",
  api_chat: "/api/chat",
  api_challenge: "/api/challenge",
  api_limits: "/api/limits",
  api_answer_stream: "/api/answers/{id}/stream",
  api_answer_stop: "/api/answers/{id}/stop",
  api_answer_streams: "/api/answers/streams",
};

/**
 * Returns the address of that name; `id` is that of the conversation or the answer, `query` an
 * object or a text.
 */
export function urlFor(name, id = "", query = "") {
  const search = new URLSearchParams(query).toString();
  return PATHS[name].replace("{id}", id) + (search && `?${search}`);
}

/** Returns the link to a version of a message on the page of its conversation. */
export function versionUrl(id) {
  return `?at=${id}#m-${id}`;
}
