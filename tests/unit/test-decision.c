/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The steps of deciding, numbered as at the top of policy/decision.c; each case is named by its step. Every
 * case is decided in every order of its members, and the outcome must be the same to the letter.
 */
#include "rules-fixture.h"

#include <stdlib.h>
#include <string.h>

#include "decision.h"
#include "unit.h"

#define NONE _DOMAIN_TYPE_INVALID
#define DMA DOMAIN_TYPE_DMA
#define FQ DOMAIN_TYPE_DMA_FQ
#define ID DOMAIN_TYPE_IDENTITY
#define AUTO DOMAIN_TYPE_AUTO
#define BIT(type) DOMAIN_TYPE_BIT(type)

#define A "Address=a"
#define B "Address=b"
#define C "Address=c"

typedef struct Member {
    const char *name;
    bool bound;       /* a change would unbind it */
    bool late;        /* late facts are known: driver "nvme" */
    bool bridge, managed, untrusted, unsure;
    DomainType forced; /* 0 is DMA: see FORCED */
    bool is_forced;
} Member;

#define BOUND(n) {.name = n, .bound = true, .late = true}
#define FREE(n) {.name = n, .late = true}
#define NEW(n) {.name = n}
#define FORCED(n, type) {.name = n, .bound = true, .late = true, .forced = type, .is_forced = true}

typedef struct Case {
    const char *name;
    const char *rules[4];
    Member members[3];
    DomainType current;
    DomainTypeSet not_given, auto_outcome;
    bool auto_settled;
    const char *call; /* the type it asked for */
    bool frozen;

    DomainType wanted;
    const char *by; /* file:line, without the directory */
    bool settled, conflict, type_forbidden, may_relax, may_unbind;
    FindingKindSet accept;
    PendingReason obstacle;
    const char *obstacle_names; /* stands in the text of the obstacle */
} Case;

static const Case cases[] = {
    /* 1: the first matching file with Type= gives the wish; Forbid= is gathered from all. */
    {"1 first file wins", {A " > Type=DMA-FQ", A " > Type=DMA"}, {BOUND("a")}, DMA,
     .wanted = FQ, .by = "10.conf:4", .may_relax = true, .may_unbind = false},
    {"1 a file without Type= is passed over", {A " > Forbid=identity", A " > Type=DMA-FQ"}, {BOUND("a")},
     DMA,
     .wanted = FQ, .by = "20.conf:4", .may_relax = true},
    {"1 Forbid= counts after the wish", {A " > Type=identity", A " > Forbid=identity"}, {FREE("a")}, DMA,
     .wanted = NONE, .by = "", .settled = true},
    {"1 keep exempts from later files", {A " > Type=keep", "Any=yes > Type=identity; Unbind=idle"},
     {FREE("a")}, DMA,
     .wanted = DMA, .by = "10.conf:4", .settled = true},
    {"1 keep does not exempt from Forbid=", {A " > Type=keep", "Any=yes > Forbid=identity; Unbind=idle"},
     {FREE("a")}, ID,
     .wanted = FQ, .by = "20.conf:4", .type_forbidden = true, .may_unbind = true},
    {"1 Unbind= and Accept= come from that file",
     {A " > Type=identity; Unbind=idle; Accept=up addr", A " > Type=DMA; Accept=input"}, {BOUND("a")}, DMA,
     .wanted = ID, .by = "10.conf:4", .may_relax = true, .may_unbind = true,
     .accept = FINDING_KIND_BIT(FINDING_UP) | FINDING_KIND_BIT(FINDING_ADDR)},

    /* 2: bridges and drivers that manage DMA themselves have no wish, but forbid. */
    {"2 a bridge has no wish", {B " > Type=identity", A " > Type=DMA-FQ"},
     {BOUND("a"), {.name = "b", .bridge = true, .late = true}}, DMA, .wanted = FQ, .by = "20.conf:4",
     .may_relax = true},
    {"2 a bridge need not ask for relaxing", {A " > Type=identity; Unbind=idle"},
     {BOUND("a"), {.name = "b", .bridge = true, .late = true}}, DMA,
     .wanted = ID, .by = "10.conf:4", .may_relax = true, .may_unbind = true},
    {"2 a bridge forbids", {B " > Forbid=identity", A " > Type=identity"},
     {BOUND("a"), {.name = "b", .bridge = true, .late = true}}, DMA, .wanted = NONE, .by = "",
     .settled = true},
    {"2 a driver that manages DMA has no wish, but forbids", {A " > Type=identity; Forbid=DMA-FQ"},
     {{.name = "a", .managed = true, .late = true}}, DMA, .wanted = NONE, .by = "", .settled = true},
    {"2 a member without a match has no opinion on tightening", {A " > Type=DMA"}, {FREE("a"), FREE("b")},
     ID,
     .wanted = DMA, .by = "10.conf:4", .may_unbind = true},

    /* 3: what is out. */
    {"3 what another member forbids", {A " > Type=identity", B " > Forbid=identity"}, {FREE("a"), FREE("b")},
     DMA,
     .wanted = NONE, .by = "", .settled = true},
    {"3 what the kernel does not give", {A " > Type=DMA-FQ"}, {FREE("a")}, DMA, .not_given = BIT(FQ),
     .wanted = NONE, .by = "", .settled = true},
    {"3 untrusted: no identity", {A " > Type=identity"}, {{.name = "a", .late = true, .untrusted = true}},
     DMA,
     .wanted = NONE, .by = "", .settled = true},
    {"3 untrusted: no DMA-FQ", {A " > Type=DMA-FQ"}, {{.name = "a", .late = true, .untrusted = true}}, DMA,
     .wanted = NONE, .by = "", .settled = true},
    {"3 untrusted: DMA", {A " > Type=DMA"}, {{.name = "a", .late = true, .untrusted = true}}, ID,
     .wanted = DMA, .by = "10.conf:4", .may_relax = true, .may_unbind = true},
    {"3 another member is untrusted", {A " > Type=identity", B " > Type=identity"},
     {FREE("a"), {.name = "b", .late = true, .untrusted = true}}, DMA, .wanted = NONE, .by = "",
     .settled = true},
    {"3 a bridge is untrusted", {A " > Type=identity"},
     {FREE("a"), {.name = "b", .bridge = true, .late = true, .untrusted = true}}, DMA,
     .wanted = NONE, .by = "", .settled = true},
    {"3 not known to be trusted", {A " > Type=identity"}, {{.name = "a", .late = true, .unsure = true}}, DMA,
     .wanted = NONE, .by = "", .settled = true},

    /* 4: void wishes, the strictest, conflicts, auto. */
    {"4 the strictest wins", {A " > Type=identity; Unbind=idle", B " > Type=DMA; Unbind=idle"},
     {FREE("a"), FREE("b")}, FQ,
     .wanted = DMA, .by = "20.conf:4", .conflict = true, .may_relax = true, .may_unbind = true},
    {"4 the strictest wins, three", {A " > Type=identity", B " > Type=DMA-FQ", C " > Type=identity"},
     {FREE("a"), FREE("b"), FREE("c")}, ID, .wanted = FQ, .by = "20.conf:4", .conflict = true,
     .may_relax = true,
     .may_unbind = true},
    {"4 the same wish from two files is none", {B " > Type=DMA", A " > Type=DMA"}, {FREE("a"), FREE("b")},
     ID,
     .wanted = DMA, .by = "20.conf:4", .may_relax = true, .may_unbind = true},
    {"4 a void wish does not win", {A " > Type=DMA-FQ", B " > Type=identity; Forbid=DMA-FQ"},
     {FREE("a"), FREE("b")}, DMA,
     .wanted = ID, .by = "20.conf:4", .may_unbind = true, .obstacle = PENDING_UNNAMED_MEMBER,
     .obstacle_names = "a"},
    {"4 keep is a wish for today's type", {A " > Type=keep", B " > Type=identity; Unbind=idle"},
     {FREE("a"), FREE("b")},
     DMA, .wanted = DMA, .by = "10.conf:4", .settled = true, .conflict = true},
    {"4 keep loses to a stricter one", {A " > Type=keep", B " > Type=DMA; Unbind=idle"},
     {BOUND("a"), BOUND("b")}, ID,
     .wanted = DMA, .by = "20.conf:4", .conflict = true, .may_relax = true,
     .obstacle = PENDING_UNBIND_NOT_ALLOWED,
     .obstacle_names = "a"},
    {"4 auto loses to any named type", {A " > Type=auto", B " > Type=identity"}, {FREE("a"), FREE("b")}, DMA,
     .auto_outcome = BIT(DMA), .wanted = ID, .by = "20.conf:4", .conflict = true, .may_unbind = true,
     .obstacle = PENDING_UNNAMED_MEMBER, .obstacle_names = "a"},
    {"4 auto that ends in the same type agrees", {A " > Type=auto", B " > Type=DMA"}, {FREE("a"), FREE("b")},
     ID,
     .auto_outcome = BIT(DMA), .wanted = DMA, .by = "20.conf:4", .may_relax = true, .may_unbind = true},
    {"4 auto alone", {A " > Type=auto"}, {FREE("a")}, DMA, .auto_outcome = BIT(FQ), .wanted = AUTO,
     .by = "10.conf:4",
     .may_relax = true, .may_unbind = true},
    {"4 auto is settled once written", {A " > Type=auto"}, {BOUND("a")}, DMA, .auto_outcome = BIT(FQ),
     .auto_settled = true, .wanted = AUTO, .by = "10.conf:4", .settled = true},
    {"4 auto is void where its outcome is out", {A " > Type=auto; Forbid=identity"}, {FREE("a")}, DMA,
     .auto_outcome = BIT(ID), .wanted = NONE, .by = "", .settled = true},
    {"4 auto is void where its outcome may be out", {A " > Type=auto; Forbid=identity"}, {FREE("a")}, DMA,
     .auto_outcome = BIT(ID) | BIT(DMA), .wanted = NONE, .by = "", .settled = true},
    {"4 auto is void where nothing is predicted and something is out", {A " > Type=auto; Forbid=identity"},
     {FREE("a")},
     DMA, .wanted = NONE, .by = "", .settled = true},
    {"4 auto may relax: all must ask", {A " > Type=auto"}, {FREE("a"), FREE("b")}, DMA,
     .auto_outcome = BIT(DMA) | BIT(FQ),
     .wanted = AUTO, .by = "10.conf:4", .may_unbind = true, .obstacle = PENDING_UNNAMED_MEMBER,
     .obstacle_names = "b"},

    /* 5: today's type is forbidden and no wish is left. */
    {"5 the least strict that is left", {A " > Forbid=identity; Unbind=idle; Accept=up"}, {BOUND("a")}, ID,
     .wanted = FQ, .by = "10.conf:4", .type_forbidden = true, .may_unbind = true,
     .accept = FINDING_KIND_BIT(FINDING_UP)},
    {"5 and not out", {A " > Forbid=identity DMA-FQ; Unbind=idle"}, {BOUND("a")}, ID,
     .wanted = DMA, .by = "10.conf:4", .type_forbidden = true, .may_unbind = true},
    {"5 Unbind= defaults to never", {A " > Forbid=identity"}, {BOUND("a")}, ID,
     .wanted = FQ, .by = "10.conf:4", .type_forbidden = true, .obstacle = PENDING_FORBIDDEN_TYPE,
     .obstacle_names = "10.conf:4"},
    {"5 the strictest of the forbidding files",
     {A " > Forbid=identity; Unbind=idle", A " > Forbid=identity"}, {BOUND("a")},
     ID, .wanted = FQ, .by = "10.conf:4", .type_forbidden = true, .obstacle = PENDING_FORBIDDEN_TYPE,
     .obstacle_names = "a"},
    {"5 also for another member", {A " > Forbid=identity; Unbind=idle", B " > Forbid=identity"},
     {BOUND("a"), FREE("b")},
     ID, .wanted = FQ, .by = "10.conf:4", .type_forbidden = true, .obstacle = PENDING_FORBIDDEN_TYPE,
     .obstacle_names = "b"},
    {"5 a file that forbids another type does not count",
     {A " > Forbid=identity; Unbind=idle", A " > Forbid=DMA-FQ"},
     {BOUND("a")}, ID, .wanted = DMA, .by = "10.conf:4", .type_forbidden = true, .may_unbind = true},
    {"5 nothing is unbound: before the driver", {A " > Forbid=identity"}, {FREE("a")}, ID,
     .wanted = FQ, .by = "10.conf:4", .type_forbidden = true},
    {"5 with a wish left, the wish", {A " > Forbid=identity; Type=DMA; Unbind=idle"}, {BOUND("a")}, ID,
     .wanted = DMA, .by = "10.conf:5", .type_forbidden = true, .may_relax = true, .may_unbind = true},
    {"5 with a wish left that may not unbind", {A " > Forbid=identity; Type=DMA"}, {BOUND("a")}, ID,
     .wanted = DMA, .by = "10.conf:5", .type_forbidden = true, .may_relax = true,
     .obstacle = PENDING_FORBIDDEN_TYPE,
     .obstacle_names = "a"},
    {"5 nothing stricter can be had", {A " > Forbid=identity DMA-FQ"}, {BOUND("a")}, FQ,
     .not_given = BIT(DMA),
     .wanted = NONE, .by = "", .type_forbidden = true, .obstacle = PENDING_FORBIDDEN_TYPE,
     .obstacle_names = "10.conf:4"},
    {"5 a member that nobody names is not unbound", {A " > Forbid=identity; Unbind=idle"},
     {BOUND("a"), BOUND("b")}, ID,
     .wanted = FQ, .by = "10.conf:4", .type_forbidden = true, .obstacle = PENDING_FORBIDDEN_TYPE,
     .obstacle_names = "b"},

    /* 6: relaxing needs all, unbinding needs idle from all that would be unbound. */
    {"6 relax with all", {"Any=yes > Type=DMA-FQ"}, {BOUND("a"), BOUND("b")}, DMA, .wanted = FQ,
     .by = "10.conf:4",
     .may_relax = true},
    {"6 relax with one that has no wish", {A " > Type=DMA-FQ"}, {BOUND("a"), BOUND("b")}, DMA, .wanted = FQ,
     .by = "10.conf:4", .obstacle = PENDING_UNNAMED_MEMBER, .obstacle_names = "b"},
    {"6 a laxer wish is content", {A " > Type=DMA-FQ", B " > Type=identity"}, {BOUND("a"), BOUND("b")}, DMA,
     .wanted = FQ,
     .by = "10.conf:4", .conflict = true, .may_relax = true},
    {"6 a void wish is none", {A " > Type=DMA-FQ", B " > Type=identity; Forbid=identity"},
     {BOUND("a"), BOUND("b")}, DMA,
     .wanted = FQ, .by = "10.conf:4", .obstacle = PENDING_UNNAMED_MEMBER, .obstacle_names = "b"},
    {"6 live needs no idle", {A " > Type=DMA-FQ"}, {BOUND("a")}, DMA, .wanted = FQ, .by = "10.conf:4",
     .may_relax = true},
    {"6 unbinding needs idle", {A " > Type=identity"}, {BOUND("a")}, DMA, .wanted = ID, .by = "10.conf:4",
     .may_relax = true, .obstacle = PENDING_UNBIND_NOT_ALLOWED, .obstacle_names = "a"},
    {"6 from every member", {A " > Type=DMA; Unbind=idle", B " > Type=DMA"}, {BOUND("a"), BOUND("b")}, ID,
     .wanted = DMA,
     .by = "10.conf:4", .may_relax = true, .obstacle = PENDING_UNBIND_NOT_ALLOWED, .obstacle_names = "b"},
    {"6 a member that nobody names", {A " > Type=DMA; Unbind=idle"}, {BOUND("a"), BOUND("b")}, ID,
     .wanted = DMA,
     .by = "10.conf:4", .obstacle = PENDING_UNNAMED_MEMBER, .obstacle_names = "b"},
    {"6 only of those that would be unbound", {A " > Type=DMA; Unbind=idle", B " > Type=DMA"},
     {BOUND("a"), FREE("b")}, ID,
     .wanted = DMA, .by = "10.conf:4", .may_relax = true, .may_unbind = true},
    {"6 only what all accept",
     {A " > Type=DMA; Unbind=idle; Accept=up addr", B " > Type=DMA; Unbind=idle; Accept=addr input"},
     {BOUND("a"), BOUND("b")}, ID, .wanted = DMA, .by = "10.conf:4", .may_relax = true, .may_unbind = true,
     .accept = FINDING_KIND_BIT(FINDING_ADDR)},

    /* 7: nothing matches. */
    {"7 nothing matches", {C " > Type=DMA; Forbid=identity"}, {BOUND("a"), BOUND("b")}, ID, .wanted = NONE,
     .by = "",
     .settled = true},
    {"7 nothing matches, and the kernel forces another", {C " > Type=DMA"}, {FORCED("a", DMA)}, FQ,
     .wanted = NONE,
     .by = "", .settled = true},

    /* 8: what the kernel forces. */
    {"8 forced, and wished", {A " > Type=identity"}, {FORCED("a", ID)}, ID, .wanted = ID, .by = "kernel",
     .settled = true},
    {"8 forced, and another wished", {A " > Type=DMA"}, {FORCED("a", ID)}, ID, .wanted = ID, .by = "kernel",
     .settled = true, .conflict = true},
    {"8 forced, and forbidden", {A " > Forbid=identity"}, {FORCED("a", ID)}, ID, .wanted = ID,
     .by = "kernel",
     .conflict = true, .type_forbidden = true, .obstacle = PENDING_FORBIDDEN_TYPE,
     .obstacle_names = "10.conf:4"},
    {"8 forced for another member", {A " > Type=DMA"}, {FREE("a"), FORCED("b", ID)}, ID, .wanted = ID,
     .by = "kernel",
     .settled = true, .conflict = true},
    {"8 forced to two types: as it is", {A " > Type=DMA-FQ"}, {FORCED("a", ID), FORCED("b", DMA)}, ID,
     .wanted = ID,
     .by = "kernel", .settled = true, .conflict = true},
    {"8 forced, and something else is there", {A " > Type=DMA; Unbind=idle"}, {FORCED("a", ID)}, DMA,
     .wanted = ID,
     .by = "kernel", .conflict = true, .may_unbind = true, .accept = 0, .obstacle = PENDING_CONFLICT,
     .obstacle_names = "a"},

    /* Three values. */
    {"unknown Forbid= counts", {"Driver=vfio-pci > Forbid=identity", A " > Type=identity"}, {NEW("a")}, DMA,
     .wanted = NONE, .by = "", .settled = true},
    {"and of itself allows no unbinding", {"Driver=vfio-pci > Forbid=identity; Unbind=idle"},
     {{.name = "a", .bound = true}}, ID, .wanted = FQ, .by = "10.conf:4", .type_forbidden = true,
     .obstacle = PENDING_FORBIDDEN_TYPE, .obstacle_names = "a"},
    {"unknown Type= stops the search", {"Driver=vfio-pci > Type=DMA", A " > Type=identity"}, {NEW("a")}, DMA,
     .wanted = NONE, .by = "", .settled = true},
    {"known not to match, it does not", {"Driver=vfio-pci > Type=DMA", A " > Type=identity"}, {FREE("a")},
     DMA,
     .wanted = ID, .by = "20.conf:4", .may_relax = true, .may_unbind = true},
    {"a negated unknown is unknown", {"Driver=!vfio-pci > Type=DMA", A " > Type=identity"}, {NEW("a")}, DMA,
     .wanted = NONE, .by = "", .settled = true},
    {"an early wish before the unknown one stands", {A " > Type=DMA", "Driver=vfio-pci > Type=identity"},
     {NEW("a")}, ID,
     .wanted = DMA, .by = "10.conf:4", .may_relax = true, .may_unbind = true},
    {"undecided: not relaxed", {A " > Type=DMA-FQ", "Driver=nvme > Type=DMA-FQ"}, {FREE("a"), NEW("b")}, DMA,
     .wanted = FQ, .by = "10.conf:4", .obstacle = PENDING_UNDECIDED, .obstacle_names = "b"},
    {"undecided: not unbound", {A " > Type=DMA; Unbind=idle", "Driver=nvme > Type=DMA"},
     {BOUND("a"), NEW("b")}, ID,
     .wanted = DMA, .by = "10.conf:4", .obstacle = PENDING_UNDECIDED, .obstacle_names = "b"},
    {"undecided: tightened before a driver binds", {A " > Type=DMA", "Driver=nvme > Type=identity"},
     {NEW("a"), NEW("b")},
     ID, .wanted = DMA, .by = "10.conf:4"},
    {"a bridge is never undecided", {A " > Type=DMA-FQ", "Driver=nvme > Type=DMA"},
     {BOUND("a"), {.name = "b", .bridge = true}}, DMA, .wanted = FQ, .by = "10.conf:4", .may_relax = true},

    /* Frozen. */
    {"frozen: not relaxed", {A " > Type=DMA-FQ"}, {BOUND("a")}, DMA, .frozen = true, .wanted = FQ,
     .by = "10.conf:4",
     .obstacle = PENDING_FROZEN},
    {"frozen: not unbound", {A " > Type=DMA; Unbind=idle"}, {BOUND("a")}, ID, .frozen = true, .wanted = DMA,
     .by = "10.conf:4", .obstacle = PENDING_FROZEN},
    {"frozen: tightened before a driver binds", {A " > Type=DMA"}, {NEW("a")}, ID, .frozen = true,
     .wanted = DMA,
     .by = "10.conf:4"},

    /* Calls. */
    {"a call outranks Type=", {A " > Type=DMA"}, {BOUND("a"), BOUND("b")}, ID, .call = "identity",
     .wanted = ID,
     .by = "call:uid=0", .settled = true},
    {"a call may relax, and is no conflict", {A " > Type=DMA", B " > Type=identity"},
     {BOUND("a"), BOUND("b")}, DMA,
     .call = "DMA-FQ", .wanted = FQ, .by = "call:uid=0", .may_relax = true, .may_unbind = true},
    {"a call does not unbind twice", {A " > Type=DMA; Unbind=idle"}, {BOUND("a")}, DMA, .call = "identity",
     .wanted = ID,
     .by = "call:uid=0", .may_relax = true, .obstacle = PENDING_UNBIND_NOT_ALLOWED,
     .obstacle_names = "call:uid=0"},
    {"a call does not outrank Forbid=", {A " > Type=DMA; Forbid=identity"}, {FREE("a")}, FQ,
     .call = "identity",
     .wanted = DMA, .by = "10.conf:4", .may_relax = true, .may_unbind = true},
    {"a call does not outrank distrust", {A " > Type=DMA"}, {{.name = "a", .late = true, .untrusted = true}},
     DMA,
     .call = "DMA-FQ", .wanted = DMA, .by = "10.conf:4", .settled = true},
    {"a call does not outrank the kernel", {A " > Type=DMA"}, {FORCED("a", ID)}, ID, .call = "DMA",
     .wanted = ID,
     .by = "kernel", .settled = true, .conflict = true},
    {"a call is not frozen", {A " > Type=DMA"}, {BOUND("a")}, DMA, .call = "DMA-FQ", .frozen = true,
     .wanted = FQ,
     .by = "call:uid=0", .may_relax = true, .may_unbind = true},
    {"a call without any rule", {C " > Type=DMA"}, {BOUND("a")}, DMA, .call = "DMA-FQ", .wanted = FQ,
     .by = "call:uid=0",
     .may_relax = true, .may_unbind = true},

    /* A type that has no strictness. */
    {"today's type cannot be compared", {A " > Type=DMA"}, {FREE("a"), FREE("b")}, DOMAIN_TYPE_BLOCKED,
     .wanted = DMA,
     .by = "10.conf:4", .may_unbind = true, .obstacle = PENDING_UNNAMED_MEMBER, .obstacle_names = "b"},
    {"keep where today's type has no place", {A " > Type=keep"}, {FREE("a")}, DOMAIN_TYPE_UNKNOWN,
     .wanted = NONE,
     .by = "", .settled = true},
};

/* A decision with all that its input points to. */
typedef struct Scene {
    RuleSet *rules;
    HostFacts *host;
    DecisionMember members[3];
    DecisionInput input;
} Scene;

static DeviceFacts *member_facts(const Member *member)
{
    DeviceFacts *facts = nvme_facts(member->name);

    facts->bridge = member->bridge;
    facts->manages_dma = member->managed;
    facts->untrusted = member->unsure ? TRISTATE_UNKNOWN : member->untrusted ? TRISTATE_YES : TRISTATE_NO;
    facts->driver_known = facts->udev_known = member->late;
    facts->driver = g_strdup("nvme");
    return facts;
}

static RuleSet *case_rules(const Case *c)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    for (size_t i = 0; i < G_N_ELEMENTS(c->rules) && c->rules[i]; i++) {
        g_autofree char *path = g_strdup_printf("etc/iommu-policy.d/%zu0.conf", i + 1);
        g_autofree char *text = rule_text(c->rules[i]);

        rule_tree_write(tree, path, text, -1);
    }
    if (c->frozen)
        rule_tree_write(tree, "etc/iommu-policy.d/99.conf", "no rule", -1);
    return rule_tree_load(tree, NULL, c->frozen ? 2 : 0);
}

static void scene_init(Scene *scene, const Case *c)
{
    *scene = (Scene){.rules = case_rules(c), .host = host_facts_new("x86-64", "")};
    scene->input = (DecisionInput){
        .members = scene->members,
        .current = c->current,
        .not_given = c->not_given,
        .auto_outcome = c->auto_outcome,
        .auto_settled = c->auto_settled,
        .call_type = c->call ? domain_type_from_string(c->call) : NONE,
        .call_origin = c->call ? "call:uid=0" : NULL,
    };
    for (; scene->input.n_members < 3 && c->members[scene->input.n_members].name; scene->input.n_members++) {
        const Member *member = &c->members[scene->input.n_members];

        scene->members[scene->input.n_members] = (DecisionMember){
            .facts = member_facts(member),
            .kernel_type = member->is_forced ? member->forced : NONE,
            .kernel_reason = member->is_forced ? "quirk" : NULL,
            .unbinds = member->bound,
        };
    }
}

static void scene_done(Scene *scene)
{
    for (size_t i = 0; i < scene->input.n_members; i++)
        device_facts_free((DeviceFacts *) scene->members[i].facts);
    host_facts_free(scene->host);
    rule_set_unref(scene->rules);
}

/* All of a decision that does not follow the order of the members. */
static char *outcome(const Decision *d)
{
    return g_strdup_printf(
        "%s by %s settled %d relax %d unbind %d accept %x forbidden %x out %x %d\n%s\n%s: %s",
        domain_type_to_string(d->wanted) ?: "none", d->wanted_by, d->settled, d->may_relax, d->may_unbind,
        d->accept, d->forbidden, d->out, d->type_forbidden, d->conflict_text,
        pending_reason_to_string(d->obstacle), d->obstacle_text);
}

static void check_case(const Case *c, const Decision *d)
{
    const char *by = strrchr(d->wanted_by, '/') ? strrchr(d->wanted_by, '/') + 1 : d->wanted_by;

    ck_assert_msg(d->wanted == c->wanted, "%s: wanted %s", c->name,
                  domain_type_to_string(d->wanted) ?: "none");
    ck_assert_msg(g_str_equal(by, c->by), "%s: by %s", c->name, by);
    ck_assert_msg(d->settled == c->settled, "%s: settled %d", c->name, d->settled);
    ck_assert_msg(d->conflict == c->conflict, "%s: conflict %s", c->name, d->conflict_text);
    ck_assert_msg(d->conflict == (d->conflict_text != NULL), "%s: conflict without a text", c->name);
    ck_assert_msg(d->type_forbidden == c->type_forbidden, "%s: type_forbidden %d", c->name,
                  d->type_forbidden);
    ck_assert_msg(d->obstacle == c->obstacle, "%s: %s: %s", c->name, pending_reason_to_string(d->obstacle),
                  d->obstacle_text);
    ck_assert_msg((d->obstacle == PENDING_NONE) == (d->obstacle_text == NULL), "%s: obstacle_text", c->name);
    ck_assert_msg(!c->obstacle_names || strstr(d->obstacle_text, c->obstacle_names), "%s: %s", c->name,
                  d->obstacle_text);
    ck_assert_msg(d->may_relax == c->may_relax, "%s: may_relax %d", c->name, d->may_relax);
    ck_assert_msg(d->accept == c->accept, "%s: accept %x", c->name, d->accept);
}

START_TEST(test_case)
{
    const Case *c = &cases[_i];
    g_autoptr(Decision) decision = NULL;
    Scene scene;

    scene_init(&scene, c);
    decision = decision_make(scene.rules, scene.host, &scene.input);
    check_case(c, decision);
    ck_assert_msg(!c->may_unbind || decision->may_unbind, "%s: may not unbind", c->name);
    ck_assert_msg(c->obstacle != PENDING_UNBIND_NOT_ALLOWED || !decision->may_unbind, "%s: may unbind",
                  c->name);
    ck_assert_uint_eq(decision->member_wishes->len, scene.input.n_members);
    scene_done(&scene);
}
END_TEST

START_TEST(test_order_of_members)
{
    static const size_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    g_autofree char *first = NULL;
    Scene scene;

    scene_init(&scene, &cases[_i]);
    for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
        g_autoptr(Decision) decision = NULL;
        g_autofree char *text = NULL;
        DecisionMember members[3];
        DecisionInput input = scene.input;
        size_t n = 0;

        for (size_t j = 0; j < 3; j++)
            if (orders[i][j] < input.n_members)
                members[n++] = scene.members[orders[i][j]];
        input.members = members;
        decision = decision_make(scene.rules, scene.host, &input);
        text = outcome(decision);
        if (!first)
            first = g_steal_pointer(&text);
        else
            ck_assert_str_eq(text, first);
    }
    scene_done(&scene);
}
END_TEST

static char *trail_text(const Decision *decision)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < decision->trail->len; i++) {
        const TrailEntry *entry = decision->trail->pdata[i];
        const char *origin = strrchr(entry->origin, '/') ? strrchr(entry->origin, '/') + 1 : entry->origin;

        ck_assert_str_ne(entry->text, "");
        g_string_append_printf(text, "%s %s %s\n", entry->member, origin,
                               wish_verdict_to_string(entry->verdict));
    }
    return g_string_free(text, FALSE);
}

static void check_trail(const Case *c, const char *expected)
{
    g_autoptr(Decision) decision = NULL;
    g_autofree char *text = NULL;
    Scene scene;

    scene_init(&scene, c);
    decision = decision_make(scene.rules, scene.host, &scene.input);
    decision_explain(decision, scene.rules, scene.host, &scene.input);
    text = trail_text(decision);
    ck_assert_str_eq(text, expected);
    scene_done(&scene);
}

START_TEST(test_trail)
{
    check_trail(
        &(Case){.rules = {A " > Type=identity", B " > Type=DMA", "Any=yes > Forbid=DMA-FQ; Type=auto"},
                .members = {FREE("a"), FREE("b"), {.name = "c", .bridge = true}},
                .current = DMA},
        "a 10.conf:4 stricter-wins\na 30.conf:4 forbids\na 30.conf:5 earlier-wins\n"
        "b 20.conf:4 wanted\nb 30.conf:4 forbids\nb 30.conf:5 earlier-wins\n"
        "c 30.conf:4 forbids\nc 30.conf:5 no-wish\n");
    check_trail(&(Case){.rules = {A " > Type=keep", B " > Type=DMA", C " > Type=identity; Forbid=identity"},
                        .members = {FREE("a"), FREE("b"), FREE("c")},
                        .current = DMA},
                "a 10.conf:4 keep\nb 20.conf:4 agrees\nc 30.conf:5 forbids\nc 30.conf:4 void\n");
    check_trail(&(Case){.rules = {"Driver=nvme > Type=DMA", "Any=yes > Type=identity"},
                        .members = {NEW("a")},
                        .current = DMA},
                "a 10.conf:4 undecided\na 20.conf:4 earlier-wins\n");
    check_trail(
        &(Case){.rules = {A " > Type=DMA"}, .members = {FREE("a")}, .current = DMA, .call = "identity"},
        " call:uid=0 wanted\na 10.conf:4 outranked\n");
    check_trail(&(Case){.rules = {A " > Type=DMA"}, .members = {FORCED("a", ID)}, .current = ID},
                "a kernel wanted\na 10.conf:4 void\n");
    check_trail(&(Case){.rules = {"Driver=nvme > Type=DMA"},
                        .members = {{.name = "a", .late = true, .untrusted = true}},
                        .current = DMA},
                "a 10.conf:4 wanted\na 10.conf:4 note\na  note\n");
    check_trail(
        &(Case){.rules = {"Address=a; Class=ethernet > Type=DMA", "Address=a; Class=usb > Forbid=identity"},
                .members = {FREE("a")},
                .current = DMA},
        "a 10.conf:5 nearly\na 20.conf:5 nearly\n");
}
END_TEST

START_TEST(test_member_wishes)
{
    Case c = {.rules = {A " > Type=keep", B " > Type=identity"},
              .members = {FREE("b"), FREE("c"), FREE("a")},
              .current = DMA};
    g_autoptr(Decision) decision = NULL;
    const MemberWish *b, *none, *a;
    Scene scene;

    scene_init(&scene, &c);
    decision = decision_make(scene.rules, scene.host, &scene.input);
    b = decision->member_wishes->pdata[0];
    none = decision->member_wishes->pdata[1];
    a = decision->member_wishes->pdata[2];
    ck_assert(b->has_wish && !b->keep && b->type == ID);
    ck_assert(g_str_has_suffix(b->origin, "/20.conf:4"));
    ck_assert(!none->has_wish && none->type == NONE);
    ck_assert_str_eq(none->origin, "");
    ck_assert(a->has_wish && a->keep && a->type == DMA);
    scene_done(&scene);
}
END_TEST

START_TEST(test_conflict_text)
{
    Case c = {
        .rules = {A " > Type=identity", B " > Type=DMA"}, .members = {FREE("a"), FREE("b")}, .current = DMA};
    g_autoptr(Decision) decision = NULL;
    Scene scene;

    scene_init(&scene, &c);
    decision = decision_make(scene.rules, scene.host, &scene.input);
    ck_assert_str_eq(decision->conflict_text,
                     "b asks for DMA (/etc/iommu-policy.d/20.conf:4), a for identity "
                     "(/etc/iommu-policy.d/10.conf:4): the stricter wins");
    scene_done(&scene);
}
END_TEST

START_TEST(test_untranslated)
{
    static const struct {
        const char *rules[3];
        const char *origin; /* NULL: nothing to warn of */
    } table[] = {
        {{A " > Forbid=identity"}, "10.conf:4"},
        {{A " > Type=DMA"}, "10.conf:4"},
        {{A " > Type=DMA-FQ"}, "10.conf:4"},
        {{A " > Type=identity"}, NULL},
        {{A " > Type=auto"}, NULL},
        {{A " > Type=keep", A " > Type=DMA"}, NULL},
        {{A " > Type=identity", A " > Forbid=identity"}, "20.conf:4"},
        {{"Driver=nvme > Forbid=identity"}, "10.conf:4"},
        {{"Driver=nvme > Type=DMA", A " > Type=DMA"}, NULL},
        {{B " > Type=DMA"}, NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        Case c = {.rules = {table[i].rules[0], table[i].rules[1]}, .members = {NEW("a")}};
        g_autofree char *origin = NULL;
        bool found;
        Scene scene;

        scene_init(&scene, &c);
        found = decision_untranslated(scene.rules, scene.host, scene.members[0].facts, &origin);
        ck_assert_int_eq(found, table[i].origin != NULL);
        ck_assert(!found || g_str_has_suffix(origin, table[i].origin));
        ck_assert_int_eq(decision_untranslated(scene.rules, scene.host, scene.members[0].facts, NULL),
                         found);
        scene_done(&scene);
    }
}
END_TEST

START_TEST(test_judge_call)
{
    static const struct {
        Case c;
        DomainType type;
        int r;
        const char *names;
    } table[] = {
        {{.rules = {A " > Type=DMA"}, .members = {BOUND("a")}}, ID, 0, NULL},
        {{.rules = {A " > Forbid=identity"}, .members = {BOUND("a")}}, ID, -EPERM, "a"},
        {{.rules = {A " > Forbid=identity"}, .members = {BOUND("a")}}, FQ, 0, NULL},
        {{.rules = {"Driver=x > Forbid=identity"}, .members = {NEW("a")}}, ID, -EPERM, "a"},
        {{.members = {{.name = "a", .untrusted = true}}}, FQ, -EACCES, "a"},
        {{.members = {{.name = "a", .untrusted = true}}}, DMA, 0, NULL},
        {{.members = {{.name = "a", .untrusted = true}}}, AUTO, -EACCES, "a"},
        {{.members = {FREE("b"), FORCED("a", ID)}}, DMA, -EINVAL, "quirk"},
        {{.members = {FORCED("a", ID)}}, ID, 0, NULL},
        {{.members = {FREE("a")}, .not_given = BIT(FQ)}, FQ, -EINVAL, "DMA-FQ"},
        {{.rules = {A " > Forbid=identity"}, .members = {FREE("a")}, .auto_outcome = BIT(DMA)},
         AUTO,
         0,
         NULL},
        {{.rules = {A " > Forbid=identity"}, .members = {FREE("a")}, .auto_outcome = BIT(ID)},
         AUTO,
         -EPERM,
         "auto"},
        {{.members = {FREE("a")}, .not_given = BIT(FQ), .auto_outcome = BIT(FQ)}, AUTO, -EINVAL, "auto"},
        {{.members = {FREE("a")}}, DOMAIN_TYPE_BLOCKED, -EINVAL, "blocked"},
        {{.members = {FREE("a")}}, NONE, -EINVAL, "that type"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *text = NULL, *origin = NULL;
        Scene scene;
        int r;

        scene_init(&scene, &table[i].c);
        r = decision_judge_call(scene.rules, scene.host, &scene.input, table[i].type, &text, &origin);
        ck_assert_msg(r == table[i].r, "%zu: %d %s", i, r, text);
        ck_assert_int_eq(text != NULL, r < 0);
        ck_assert_int_eq(origin != NULL, r == -EPERM);
        ck_assert_msg(r == 0 || strstr(text, table[i].names), "%s", text);
        ck_assert_int_eq(
            decision_judge_call(scene.rules, scene.host, &scene.input, table[i].type, NULL, NULL), r);
        scene_done(&scene);
    }
}
END_TEST

/* A device that cannot reach all of RAM is told about in identity alone, and only where both are known. */
START_TEST(test_mask_note)
{
    static const struct {
        const char *type;
        unsigned mask, memory;
        bool noted;
    } table[] = {
        {"identity", 32, 34, true},  {"identity", 34, 34, false}, {"identity", 64, 34, false},
        {"identity", 0, 34, false},  {"identity", 32, 0, false},  {"DMA-FQ", 32, 34, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *rule = g_strdup_printf(A " > Type=%s", table[i].type);
        Case c = {.rules = {rule}, .members = {FREE("a")}, .current = DMA};
        g_autoptr(Decision) decision = NULL;
        bool noted = false;
        Scene scene;

        scene_init(&scene, &c);
        scene.host->memory_bits = table[i].memory;
        ((DeviceFacts *) scene.members[0].facts)->dma_mask_bits = table[i].mask;
        decision = decision_make(scene.rules, scene.host, &scene.input);
        for (guint n = 0; n < decision->trail->len; n++) {
            const TrailEntry *entry = g_ptr_array_index(decision->trail, n);

            noted |= entry->verdict == VERDICT_NOTE && strstr(entry->text, "bounce buffers");
        }
        ck_assert_msg(noted == table[i].noted, "%zu", i);
        ck_assert_int_eq(decision->wanted, domain_type_from_string(table[i].type));
        scene_done(&scene);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("decision");

    tcase_add_loop_test(tcase, test_case, 0, G_N_ELEMENTS(cases));
    tcase_add_loop_test(tcase, test_order_of_members, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tcase, test_trail);
    tcase_add_test(tcase, test_mask_note);
    tcase_add_test(tcase, test_member_wishes);
    tcase_add_test(tcase, test_conflict_text);
    tcase_add_test(tcase, test_untranslated);
    tcase_add_test(tcase, test_judge_call);
    return unit_run("decision", tcase);
}
