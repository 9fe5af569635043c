#include "admin/page_frame.h"

#include "base/base64.h"
#include "base/digest.h"
#include "proxy/http/escape.h"

namespace hybridge {

namespace {
constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --text: #1c2733; --soft: #55626f; --line: #dde2e8;
  --link: #0b5cad; --good: #1a7037; --bad: #b42318; --warn: #855400; --bar: #4a86c5; --field: #fff; --edge: #7b8794;
  --button: #0b5cad; --on-button: #fff; --tint: #eef3f9; }
@media (prefers-color-scheme: dark) {
  :root { --page: #12171d; --card: #1a212a; --text: #e8edf2; --soft: #a3afbb; --line: #2e3945; --link: #7ab8f5;
    --good: #5bd486; --bad: #ff9389; --warn: #f0c053; --bar: #5b97d6; --field: #12171d; --edge: #75828f;
    --button: #7ab8f5; --on-button: #0c1a29; --tint: #202b38; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: .9375rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: min(76rem, 100% - 2rem); margin: 0 auto; padding: 1.25rem 0 3rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; margin: 0 0 1rem; }
h1 { margin: 0; font-size: 1.375rem; letter-spacing: -.01em; }
h2 { margin: 0 0 .75rem; font-size: 1.0625rem; }
h3 { margin: 1.25rem 0 .5rem; font-size: .9375rem; }
p { margin: 0 0 .75rem; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, .wide:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; }
section, .card { margin: 0 0 1rem; padding: 1rem 1.25rem 1.125rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .625rem; }
section > :last-child, .card > :last-child { margin-bottom: 0; }
.columns { display: grid; gap: 0 1rem; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr));
  align-items: start; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.good, .bad, .warn { font-weight: 600; }
.message { border-color: var(--link); background: var(--tint); }
.stale { border-color: var(--bad); }
.figures { display: flex; flex-wrap: wrap; gap: .25rem 2.5rem; margin: 0 0 .75rem; }
.figures div { display: flex; flex-direction: column-reverse; }
.figures dt { color: var(--soft); font-size: .8125rem; } .figures dd { margin: 0; font-size: 1.375rem; font-weight: 600;
  font-variant-numeric: tabular-nums; line-height: 1.3; }
svg { display: block; width: 100%; height: 6.5rem; border-bottom: 1px solid var(--edge); }
.requests { fill: var(--bar); } .errors { fill: var(--bad); } .behind { fill: transparent; }
g:hover .behind { fill: var(--tint); }
.axis { display: flex; justify-content: space-between; margin: .25rem 0 0; color: var(--soft); font-size: .8125rem; }
.wide { overflow-x: auto; border-radius: .25rem; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; }
th, td { padding: .4rem .9rem .4rem 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
thead th { border-top: 0; color: var(--soft); font-weight: 600; font-size: .8125rem; white-space: nowrap; }
tbody th { font-weight: 600; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.short, td.warn, td.bad { white-space: nowrap; } tbody th, td.long { overflow-wrap: anywhere; min-width: 9rem; }
td.short code { overflow-wrap: normal; }
td.long { min-width: 15rem; }
code { font: .8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
form { display: flex; flex-wrap: wrap; gap: .625rem; align-items: end; margin: 0; }
label { display: block; color: var(--soft); font-size: .8125rem; }
label.grows { flex: 1 1 12rem; }
::placeholder { color: var(--soft); opacity: 1; }
input, select, button { display: block; width: 100%; min-height: 2.25rem; padding: .3rem .65rem; font: inherit;
  font-size: .9375rem; color: var(--text); background: var(--field); border: 1px solid var(--edge);
  border-radius: .375rem; }
button { width: auto; font-weight: 600; color: var(--on-button); background: var(--button);
  border-color: var(--button); cursor: pointer; }
td button { min-height: 1.75rem; padding: .05rem .6rem; font-size: .8125rem; color: var(--link); background: transparent;
  border-color: var(--edge); }
td form { display: inline; }
.deed h1 { margin-bottom: .75rem; }
.deed { width: min(40rem, 100%); margin: 2rem auto; } .deed form { align-items: center; gap: 1.25rem; }
dl.steps { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .75rem 0; }
dl.steps dt { color: var(--soft); } dl.steps dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: .8125rem; }
[hidden] { display: none; }
@media (max-width: 34rem) { .figures { gap: .5rem 1.5rem; } dl.steps { grid-template-columns: 1fr; gap: 0; }
  dl.steps dd { margin-bottom: .5rem; } section, .card { padding: .875rem 1rem 1rem; } }
)";

// Not <meta refresh>, which takes away what somebody is typing: parts are taken over one by one, none that is in use.
constexpr std::string_view kScript = R"(
const stale = document.getElementById('stale');
const isUsed = part => {
  const marked = getSelection();
  return part.contains(document.activeElement) || (!marked.isCollapsed && part.contains(marked.anchorNode));
};
async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, {cache: 'no-store'});
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const part of document.querySelectorAll('[data-live]')) {
        const next = page.getElementById(part.id);
        if (next && !isUsed(part)) part.replaceWith(next);
      }
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
  }
  setTimeout(look, 5000);
}
setTimeout(look, 5000);
)";

std::string policy() {
  std::string policy = "default-src 'none'; style-src 'sha256-";
  policy.append(encode_base64(sha256(kStyle))).append("'; script-src 'sha256-").append(encode_base64(sha256(kScript)));
  return policy += "'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
}
}  // namespace

Html& Html::text(std::string_view anybodys) {
  http::append_html_escaped(out_, anybodys);
  return *this;
}

void attribute(Html& html, std::string_view name, std::string_view value) {
  html.raw(" ").raw(name).raw("=\"").text(value).raw("\"");
}

void hidden_field(Html& html, std::string_view name, std::string_view value) {
  html.raw("<input type=\"hidden\"");
  attribute(html, "name", name);
  attribute(html, "value", value);
  html.raw(">\n");
}

std::string in_frame(const PageFrame& frame, std::string_view body) {
  Html html;
  html.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>").text(frame.title);
  html.raw("</title>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
  html.raw("<link rel=\"icon\" href=\"data:,\">\n<style>")
      .raw(kStyle)
      .raw("</style>\n</head>\n<body>\n<main>\n")
      .raw(body)
      .raw("</main>\n");
  if (frame.is_live) html.raw("<script>").raw(kScript).raw("</script>\n");
  return html.raw("</body>\n</html>\n").take();
}

ApiAnswer page_answer(int status, const PageFrame& frame, std::string_view body) {
  static const auto own = policy();
  ApiAnswer answer;
  answer.status = status;
  answer.content_type = "text/html; charset=utf-8";
  answer.headers = {{"Content-Security-Policy", own},
                    {"X-Frame-Options", "DENY"},
                    {"Referrer-Policy", "no-referrer"},
                    {"Cross-Origin-Opener-Policy", "same-origin"},
                    {"Cross-Origin-Resource-Policy", "same-origin"}};
  answer.body = in_frame(frame, body);
  return answer;
}

ApiAnswer notice_page(int status, std::string_view title, std::string_view text) {
  Html html;
  html.raw("<div class=\"card deed\">\n<h1>").text(title).raw("</h1>\n<p>").text(text);
  html.raw("</p>\n<p><a href=\"/\">Back to the status page</a></p>\n</div>\n");
  return page_answer(status, {.title = title}, html.take());
}

}  // namespace hybridge
