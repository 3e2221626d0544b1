/* priv.c - from root to nobody in particular.
 * SPDX-License-Identifier: ISC
 */
#include "daemon/priv.h"

#include "daemon/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct passwd *account(const char *user)
{
	return getpwnam(*user ? user : "culprit");
}

static bool gid_of(const char *group, const struct passwd *pw, gid_t *gid, struct err *err)
{
	const struct group *gr;

	*gid = pw->pw_gid;
	if (!*group)
		return true;
	gr = getgrnam(group);
	if (!gr)
		return err_set(err, "group \"%s\" does not exist; create it or change `group`",
			       group);
	*gid = gr->gr_gid;
	return true;
}

/* mkdir -p, the last one with mode 0750. */
static bool make_dir(const char *dir, struct err *err)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
		return err_set(err, "%.80s…: path too long", dir);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	if (mkdir(path, 0750) && errno != EEXIST)
		return err_set(err, "%s: %s; make it, or name another with --state DIR", dir,
			       strerror(errno));
	return true;
}

int priv_state(const char *dir, const char *user, const char *group, struct err *err)
{
	const struct passwd *pw = getuid() ? NULL : account(user);
	char path[4200], pid[32];
	gid_t gid;
	int fd;

	if (!make_dir(dir, err))
		return -1;
	if (pw && gid_of(group, pw, &gid, err) && chown(dir, pw->pw_uid, gid)) {
		err_set(err, "%s: cannot be handed to user %s: %s", dir, pw->pw_name,
			strerror(errno));
		return -1;
	}
	snprintf(path, sizeof(path), "%s/lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0) {
		err_set(err, "%s is not writable: %s; make it so, or name another with "
			"--state DIR", dir, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

		pid[n > 0 ? n : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		err_set(err, "another culpritd (pid %s) uses %s; stop it, or name another "
			"directory with --state DIR", *pid ? pid : "unknown", dir);
		close(fd);
		return -1;
	}
	if (pw && fchown(fd, pw->pw_uid, pw->pw_gid))
		log_warn("%s: %s", path, strerror(errno));
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, pid, strlen(pid), 0) < 0)
		log_warn("%s: %s", path, strerror(errno));
	return fd;
}

static bool drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (syscall(SYS_capset, &head, none))
		return err_set(err, "capabilities cannot be given up: %s", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_set(err, "no_new_privs: %s", strerror(errno));
	return true;
}

bool priv_drop(const char *user, const char *group, struct err *err)
{
	const struct passwd *pw;
	gid_t gid;

#ifndef __SANITIZE_ADDRESS__ /* its leak check attaches to the process */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	if (getuid())
		return drop_capabilities(err);
	pw = account(user);
	if (!pw && *user)
		return err_set(err, "user \"%s\" does not exist; create it or change `user`", user);
	if (!pw) {
		log_warn("running as root: there is no account \"culprit\" to become; "
			 "create one (adduser --system --group culprit) or set `user`");
		return true;
	}
	if (!gid_of(group, pw, &gid, err))
		return false;
	if (initgroups(pw->pw_name, gid) || setresgid(gid, gid, gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid))
		return err_set(err, "cannot become user %s: %s", pw->pw_name, strerror(errno));
	/* Root's home is closed to it, and libesmtp ends every session that may not even
	 * look for settings there ("Client error" after STARTTLS). */
	setenv("HOME", pw->pw_dir, 1);
	setenv("USER", pw->pw_name, 1);
	setenv("LOGNAME", pw->pw_name, 1);
	log_info("running as user %s", pw->pw_name);
	return drop_capabilities(err);
}
