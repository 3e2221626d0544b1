/* cmd.h - the verbs of the culprit tool.
 * SPDX-License-Identifier: ISC
 *
 * Each takes argv with its verb at [0] and returns the exit code.
 */
#ifndef CUL_CLI_CMD_H
#define CUL_CLI_CMD_H

int cmd_score(int argc, char **argv); /* culprit score */

#endif
