/* looked.c - a line for each question about persons.
 * SPDX-License-Identifier: ISC
 *
 * Daemon and tool write to the same file, each line by one append, so lines are whole
 * whoever else writes. It is opened for each: questions are few, and a file that was
 * renamed away is followed by a new one without a signal. The line is written before the
 * answer is made: what cannot be written down is not answered.
 */
#include "daemon/evidence/looked.h"

#include "daemon/base/mem.h"
#include "daemon/base/strb.h"
#include "daemon/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUESTION_MAX = 4096 };

/* Root asks as well, and may be the first after the file was rotated away: it is made for
 * who owns the directory, which is the daemon. */
static bool give(int fd, const char *file)
{
	char *dir = xstrdup(file), *slash = strrchr(dir, '/');
	struct stat st;
	bool ok = true;

	if (slash)
		slash[slash == dir] = '\0';
	if (!geteuid() && !stat(slash ? dir : ".", &st) && (st.st_uid || st.st_gid))
		ok = !fchown(fd, st.st_uid, st.st_gid);
	free(dir);
	return ok;
}

/* Made for the daemon's group too, whatever the umask: the tool's users append as well. */
static int open_file(const char *file)
{
	const int how = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	int fd = open(file, how | O_CREAT | O_EXCL, 0660);

	if (fd < 0)
		return errno == EEXIST ? open(file, how) : -1;
	if (fchmod(fd, 0660) || !give(fd, file)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void make_line(const struct looked *l, struct strb *s)
{
	char at[UNIT_TEXT], question[QUESTION_MAX];

	snprintf(question, sizeof(question), "%s", l->question);
	strb_fmt(s, "{\"at\":\"%s\",\"via\":\"%s\",\"from\":", text_rfc3339(l->at_ms, at),
		 l->via);
	strb_json(s, l->from);
	strb_add(s, ",\"user\":");
	strb_json(s, l->user);
	strb_add(s, ",\"question\":");
	strb_json(s, question);
	strb_add(s, "}\n");
}

bool looked_ready(const char *file, struct err *err)
{
	int fd = *file ? open_file(file) : -1;

	if (*file && fd < 0)
		return err_set(err, "privacy: looked: %s: %s; who runs culpritd must be able "
			       "to write there", file, strerror(errno));
	if (fd >= 0)
		close(fd);
	return true;
}

bool looked_note(const char *file, const struct looked *l, struct err *err)
{
	struct strb s = { 0 };
	ssize_t n = -1;
	int fd;

	if (!*file)
		return true;
	make_line(l, &s);
	fd = open_file(file);
	if (fd >= 0)
		n = write(fd, s.s, s.len);
	if (n != (ssize_t)s.len)
		err_set(err, "who looks is written down in %s, and that cannot be written: %s; "
			"so this is not answered", file,
			n < 0 ? strerror(errno) : "the disk is full");
	if (fd >= 0)
		close(fd);
	n = n == (ssize_t)s.len;
	strb_free(&s);
	return n;
}
