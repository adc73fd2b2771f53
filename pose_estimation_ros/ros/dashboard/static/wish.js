// Asks the server for something, and gives what the node said: { done, text }.
export async function wish(what, body) {
  try {
    const response = await fetch(`/api/${what}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (response.headers.get("content-type")?.startsWith("application/json")) return await response.json();
    return { done: false, text: (await response.text()).trim() };
  } catch {
    return { done: false, text: "The page's server does not answer." };
  }
}
