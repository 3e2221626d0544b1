/* page.c - the page's own files, which the Makefile puts into the program.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/http/http_impl.h"

#include "daemon/base/map.h"

#include <inttypes.h>
#include <stdio.h>

extern const unsigned char asset_page_html[], asset_page_css[], asset_page_js[], asset_icon_svg[];
extern const size_t asset_page_html_len, asset_page_css_len, asset_page_js_len,
	asset_icon_svg_len;

static void asset(struct answer *out, const char *type, const unsigned char *s, size_t len)
{
	out->type = type;
	out->fixed = s;
	out->fixed_len = len;
	out->cache = true;
	/* Keyed per process, so a new version is never taken for the old one. */
	snprintf(out->etag, sizeof(out->etag), "\"%016" PRIx64 "\"", map_hash(s, len));
}

void page_html(struct http *h, const struct request *rq, struct answer *out)
{
	(void)h;
	(void)rq;
	asset(out, "text/html; charset=utf-8", asset_page_html, asset_page_html_len);
}

void page_css(struct http *h, const struct request *rq, struct answer *out)
{
	(void)h;
	(void)rq;
	asset(out, "text/css; charset=utf-8", asset_page_css, asset_page_css_len);
}

void page_js(struct http *h, const struct request *rq, struct answer *out)
{
	(void)h;
	(void)rq;
	asset(out, "text/javascript; charset=utf-8", asset_page_js, asset_page_js_len);
}

void page_icon(struct http *h, const struct request *rq, struct answer *out)
{
	(void)h;
	(void)rq;
	asset(out, "image/svg+xml", asset_icon_svg, asset_icon_svg_len);
}
