# Makefile - builds culpritd (the daemon) and culprit (its command-line tool).
# SPDX-License-Identifier: ISC
#
#   make                 build/culpritd and build/culprit
#   make run             whatever is missing, build, start with state in ./state;
#                        ARGS="-c FILE" go to culpritd
#   make demo            the same with invented traffic
#   make check           everything that can be tested; ends with "N passed, N failed"
#   make bench           measure          make fuzz SECONDS=60   look for crashes
#   make torture         kill, fill, starve: long, some of it as root
#   make coverage        how many lines of the decoders the tests run
#   make install DESTDIR= PREFIX=         make clean             make deps
#   SAN=1 sanitizers (in build/san)       WERROR=1 warnings stop       V=1 whole commands
#
# A new source, header, test, script, fuzz target or asset is found by its place;
# this file changes only when a new library comes (PKGS and contrib/deps.sh); bzip2 is one of
# the few without a file for pkg-config.
VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
CFLAGS  ?= -O2 -g
SECONDS ?= 60
PKGS    := libmicrohttpd libesmtp-1.0 hiredis libconfuse libcurl jansson sqlite3 libzstd \
	liblz4 lzo2 zlib libmaxminddb libcares libxxhash openssl cairo

B := build$(if $(FUZZ),/fuzz,$(if $(SAN),/san,$(if $(COV),/cov)))
Q := $(if $(V),,@)
# The whole machine, unless the caller said how much of it.
jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
# Once, and quiet: before `make deps` there may be no pkg-config at all.
pkg  := $(shell pkg-config --cflags --libs $(PKGS) 2>/dev/null)
lost := $(if $(pkg),,missing)
# Names of interfaces by SNMP are there where net-snmp is; SNMP= leaves them out.
SNMP ?= $(shell pkg-config --libs netsnmp 2>/dev/null)

# Ours, whatever the packager puts in CFLAGS. snprintf cuts on purpose here, and whether the
# compiler sees that it may depends on the optimisation.
cul_cflags := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wno-format-truncation -I. -MMD -MP \
	-DCUL_VERSION='"$(VERSION)"' $(filter -I% -D% -pthread,$(pkg)) \
	$(if $(SNMP),-DCUL_SNMP) -fPIE -fstack-protector-strong $(if $(WERROR),-Werror)
cul_ldflags := -pie -Wl,--as-needed -Wl,-z,relro,-z,now
cul_libs := $(filter -l% -L% -Wl%,$(pkg)) $(SNMP) -lbz2 -lm -lpthread
ifneq ($(SAN)$(FUZZ),)
sanitize    := address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
cul_cflags  += $(if $(FUZZ),-fsanitize=fuzzer-no-link) -fsanitize=$(sanitize)
cul_ldflags += -fsanitize=$(sanitize)
else ifneq ($(COV),)
cul_cflags  += --coverage -fprofile-update=atomic
cul_ldflags += --coverage
else ifeq ($(findstring -O0,$(CFLAGS)),)
cul_cflags  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
compile = $(CC) $(cul_cflags) $(CFLAGS)
link    = $(CC) $(CFLAGS) $(cul_ldflags) $(LDFLAGS)

src     := $(wildcard daemon/*.c daemon/*/*.c rules/*.c rules/*/*.c detectors/*.c \
	storage/*.c storage/*/*.c)
mains   := daemon/main.c daemon/cli/culprit.c daemon/act/main_acl.c daemon/act/main_nft.c
heads   := $(shell find daemon rules detectors storage -name '*.h' 2>/dev/null)
assets  := $(sort $(wildcard daemon/http/assets/*))
lib_obj := $(patsubst %.c,$B/%.o,$(filter-out $(mains),$(src))) \
	$(if $(assets),$B/gen/assets.o)
lib     := $B/libculprit.a
programs := $(if $(wildcard daemon/main.c),$B/culpritd) \
	$(if $(wildcard daemon/cli/culprit.c),$B/culprit) $B/culprit-acl $B/culprit-nft
tests   := $(patsubst %.c,$B/%,$(wildcard tests/unit/test_*.c tests/store/*.c \
	tests/conformance/*.c))
tools   := $(patsubst %.c,$B/%,$(wildcard tests/tools/*.c tests/bench/*.c))
scripts := $(sort $(wildcard tests/golden/*.sh tests/conformance/*.sh tests/e2e/*.sh))
targets := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
replays := $(targets:%=$B/tests/fuzz/replay_%)

all: there $(lib) $(programs)
	@$(if $(SNMP),:,echo "Built without SNMP: net-snmp's development files are not there")
there:
	@$(if $(lost),echo "Libraries are missing; \`make deps\` installs them:" && \
	  contrib/deps.sh list && exit 1,:)
deps:
	@contrib/deps.sh build
run: deps
	@$(MAKE) --no-print-directory $(jobs) all
	build/culpritd --state ./state -f $(ARGS)
demo: deps
	@$(MAKE) --no-print-directory $(jobs) all
	build/culpritd --state ./state -f --demo $(ARGS)

$B/culpritd: $B/daemon/main.o $(lib)
$B/culprit: $B/daemon/cli/culprit.o $(lib)
$B/culprit-acl: $B/daemon/act/main_acl.o $(lib)
$B/culprit-nft: $B/daemon/act/main_nft.o $(lib)
$B/culpritd $B/culprit $B/culprit-acl $B/culprit-nft:
	@echo "  LD $@"
	$Q$(link) -o $@ $^ $(cul_libs)
$(lib): $(lib_obj) $B/flags
	@rm -f $@
	$Qar rcsD $@ $(lib_obj)
$B/%.o: %.c $B/flags
	@mkdir -p $(@D)
	@echo "  CC $<"
	$Q$(compile) -c -o $@ $<
# Other flags, other objects: what was built with the old ones is built again.
$B/flags: always
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(compile) $(link))' | cmp -s - $@ || \
	  echo '$(subst ','\'',$(compile) $(link))' >$@

# daemon/http/assets/page.css becomes asset_page_css[] and asset_page_css_len; a
# NUL follows that is not counted.
$B/gen/assets.c: $(assets) Makefile
	@mkdir -p $(@D)
	@echo "  GEN $@"
	@{ echo '#include <stddef.h>'; for f in $(assets); do \
	  n=asset_$$(basename $$f | tr -c 'A-Za-z0-9\n' _); \
	  echo "extern const unsigned char $$n[]; extern const size_t $${n}_len;"; \
	  echo "const size_t $${n}_len = $$(wc -c <$$f); const unsigned char $$n[] = {"; \
	  od -An -v -tx1 $$f | sed 's/ \(..\)/0x\1,/g'; echo '0 };'; done; } >$@.new
	@mv $@.new $@
$B/gen/assets.o: $B/gen/assets.c $B/flags
	$Q$(compile) -c -o $@ $<

check:
	@contrib/deps.sh build test
	@$(MAKE) --no-print-directory $(jobs) check-build
	@BUILD=$B tests/run.sh $(tests) $(replays) $(scripts)
check-build: all headers arrows $(tests) $(tools) $(replays)
$(tests): %: %.o $(lib)
	@echo "  LD $@"
	$Q$(link) -o $@ $^ $(cul_libs) -lcmocka
$(tools): %: %.o $(lib)
	$Q$(link) -o $@ $^ $(cul_libs)
arrows:
	$Qcontrib/check-arrows.sh
headers: $(heads:%=$B/%.alone)
$B/%.h.alone: %.h $B/flags
	@mkdir -p $(@D)
	$Qecho '#include "$<"' | $(compile) -fsyntax-only -MT $@ -MF $@.d -x c -
	@touch $@

bench: deps
	@$(MAKE) --no-print-directory $(jobs) all $(tools)
	BUILD=build tests/bench/run.sh
bench-detect: deps
	@$(MAKE) --no-print-directory $(jobs) all $(tools)
	BUILD=build tests/bench/bench_detect.sh

torture: deps
	@contrib/deps.sh build test
	@$(MAKE) --no-print-directory $(jobs) check-build
	@BUILD=$B tests/run.sh $(sort $(wildcard tests/torture/*.sh))

# Unit tests that know of the directory, the fixtures and the fuzz corpus; gcc's gcov counts.
covered := daemon/collect
coverage:
	@contrib/deps.sh build test
	@$(MAKE) --no-print-directory $(jobs) COV=1 CC=gcc CFLAGS='-O0 -g' coverage-build
	@BUILD=build/cov tests/coverage.sh $(covered) 95
coverage-build: $(patsubst %.c,$B/%,$(shell grep -l -e '"$(covered)/' -e '"dgram.h"' tests/unit/*.c)) \
	$(replays) $B/tests/tools/decode

# Findings go to build/fuzz; what is worth keeping is moved to tests/fuzz/corpus by
# hand, and `make check` replays it for ever after.
fuzz:
	@contrib/deps.sh build fuzz
	@$(MAKE) --no-print-directory $(jobs) FUZZ=1 CC=clang fuzz-build
	@for t in $(targets); do n=$${t#fuzz_}; \
	  mkdir -p build/fuzz/corpus/$$n tests/fuzz/corpus/$$n; \
	  echo "  FUZZ $$n for $(SECONDS) s"; \
	  build/fuzz/tests/fuzz/$$t -max_total_time=$(SECONDS) -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix=build/fuzz/$$n- \
	    build/fuzz/corpus/$$n tests/fuzz/corpus/$$n || exit 1; done
fuzz-build: $(targets:%=$B/tests/fuzz/%)
$B/tests/fuzz/fuzz_%: $B/tests/fuzz/fuzz_%.o $(lib)
	$Q$(link) -fsanitize=fuzzer -o $@ $^ $(cul_libs)
$B/tests/fuzz/replay_fuzz_%: $B/tests/fuzz/fuzz_%.o $B/tests/fuzz/replay_main.o $(lib)
	$Q$(link) -o $@ $^ $(cul_libs)

install: all
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' contrib/install.sh $(programs)
clean:
	rm -rf build

.PHONY: all there deps run demo check check-build arrows headers bench bench-detect torture \
	coverage coverage-build fuzz fuzz-build install clean always
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $B -name '*.d' 2>/dev/null)
