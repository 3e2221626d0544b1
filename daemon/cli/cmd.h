/* cmd.h - the verbs of the culprit tool.
 * SPDX-License-Identifier: ISC
 *
 * Each takes argv with its verb at [0] and returns the exit code.
 */
#ifndef CUL_CLI_CMD_H
#define CUL_CLI_CMD_H

struct cli;

int cmd_ack(struct cli *c, int argc, char **argv);
int cmd_alerts(struct cli *c, int argc, char **argv);
int cmd_backtest(struct cli *c, int argc, char **argv);
int cmd_baseline(struct cli *c, int argc, char **argv);
int cmd_changed(struct cli *c, int argc, char **argv);
int cmd_demo(struct cli *c, int argc, char **argv);
int cmd_export(struct cli *c, int argc, char **argv);
int cmd_flows(struct cli *c, int argc, char **argv);
int cmd_history(struct cli *c, int argc, char **argv);
int cmd_import(struct cli *c, int argc, char **argv);
int cmd_learn(struct cli *c, int argc, char **argv);
int cmd_notify(struct cli *c, int argc, char **argv);
int cmd_replay(struct cli *c, int argc, char **argv);
int cmd_show(struct cli *c, int argc, char **argv);
int cmd_slow(struct cli *c, int argc, char **argv);
int cmd_silence(struct cli *c, int argc, char **argv);
int cmd_status(struct cli *c, int argc, char **argv);
int cmd_test_notify(struct cli *c, int argc, char **argv);
int cmd_top(struct cli *c, int argc, char **argv);
int cmd_who(struct cli *c, int argc, char **argv);
int cmd_verify(struct cli *c, int argc, char **argv);

/* Has options of its detectors and reads them itself. */
int cmd_score(int argc, char **argv);

#endif
