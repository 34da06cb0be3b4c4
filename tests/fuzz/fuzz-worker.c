/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a worker that has gone mad sends: packets of any content. The first byte chooses whether it was to
 * read groups or to do a job. Then come packets, each with its length (two bytes). What is believed is of
 * the type that was announced and says nothing that has no meaning.
 */
#include "fuzz.h"

/* Each refused message is a line of the journal. */
#include "log.h"
#undef log_error
#define log_error(...) ((void) 0)

#include "worker.c"

#include "job.c"

/* Static names that both have. */
#define on_message scanner_on_message
#define on_done scanner_on_done
#define on_late scanner_on_late
#undef READ_DEADLINE_USEC
#include "scanner.c"
#undef on_message

static void check_survey(GVariant *answer)
{
    g_autoptr(ChangeSurvey) survey = change_survey_from_variant(answer);
    g_autoptr(GVariant) again = NULL;

    if (!survey)
        return;
    g_assert_nonnull(change_how_to_string(survey->how));
    g_assert_true(survey->type_from < 0 || domain_type_to_string(survey->type_from));
    g_assert_true(survey->refusal == REFUSAL_NONE || refusal_bus_name(survey->refusal));
    again = g_variant_ref_sink(change_survey_to_variant(survey));
}

static void check_result(GVariant *answer)
{
    g_autoptr(ChangeResult) result = change_result_from_variant(answer);
    g_autoptr(GVariant) again = NULL;

    if (!result)
        return;
    g_assert_nonnull(change_how_to_string(result->how));
    g_assert_true(result->type < 0 || domain_type_to_string(result->type));
    g_assert_true(result->code == REFUSAL_NONE || refusal_bus_name(result->code));
    g_assert_cmpint(result->error, >=, 0);
    again = g_variant_ref_sink(change_result_to_variant(result));
}

static void check_findings(GVariant *answer)
{
    g_autoptr(GPtrArray) findings = findings_from_variant(answer);

    for (unsigned i = 0; findings && i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        g_assert_nonnull(finding_kind_to_string(finding->kind));
        g_assert_nonnull(finding_severity_to_string(finding->severity));
    }
}

static void on_group(const ScannedGroup *group, void *userdata)
{
    g_assert_cmpint(group->error, <=, 0);
    g_assert_true(group->error < 0 || domain_type_to_string(group->type));
}

static void feed(Worker *worker, Input *input)
{
    while (input->size > 2) {
        size_t length = input_number(input, 2);

        length = CLAMP(length, 1, MIN(input->size, PACKET_DATA_MAX + 1));
        take_packet(worker, (const char *) input->data, length);
        input->data += length;
        input->size -= length;
    }
}

static void feed_scanner(Worker *worker, Input *input)
{
    static const unsigned ids[] = { 1, 7, 9 };
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(unsigned));
    Scanner scanner = { .callback = on_group };
    Scan scan = { .scanner = &scanner, .worker = worker, .ids = list };

    g_array_append_vals(list, ids, G_N_ELEMENTS(ids));
    worker->callbacks.message = scanner_on_message;
    worker->userdata = &scan;
    worker->format = (char *) SCAN_GROUP_FORMAT;
    feed(worker, input);
}

static void feed_job(Worker *worker, Input *input)
{
    Job job = { .worker = worker };

    worker->callbacks.message = on_message;
    worker->userdata = &job;
    worker->format = (char *) MESSAGE_FORMAT;
    feed(worker, input);
    g_assert_cmpint(job.error, <=, 0);
    if (job.answer) {
        check_survey(job.answer);
        check_result(job.answer);
        check_findings(job.answer);
    }
    g_clear_pointer(&job.answer, g_variant_unref);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Worker worker = { .partial = g_byte_array_new(), .ended = true };
    Input input = { data, size };

    if (input_number(&input, 1) & 1)
        feed_scanner(&worker, &input);
    else
        feed_job(&worker, &input);
    g_byte_array_unref(worker.partial);
    return 0;
}
