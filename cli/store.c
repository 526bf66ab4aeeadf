/* store.c — see store.h. */
#include "store.h"

#include "answer.h"
#include "config.h"
#include "options.h"

/* A repository shows itself by one of these; what they mean is the library's business (ca_store_path). */
#define STORE_FOLDER ".codeanatomy"
#define STORE_PROJECT_FILE ".codeanatomy.yaml"

static const struct option_spec specs[] = {
    {"store", 0, OPTION_TEXT, "DIR", offsetof(struct store_flags, store), "CODEANATOMY_STORE",
     "the store to read (default: the store of REPO, else of the nearest directory upwards that has one)"},
    {"run", 0, OPTION_TEXT, "ID", offsetof(struct store_flags, run), NULL,
     "read this run (default: the newest published one)"},
    {"as-of", 0, OPTION_TEXT, "TIME", offsetof(struct store_flags, as_of), NULL,
     "read the newest run that was published at or before TIME, such as 2026-11-21T04:27:49Z"},
    {"pin", 0, OPTION_LIST, "NAME=WHEN", offsetof(struct store_flags, pins), NULL,
     "read this dataset at WHEN, a Delta version or a time; may be repeated"},
    {"location", 0, OPTION_LIST, "NAME=LOCATION", offsetof(struct store_flags, locations), NULL,
     "read this dataset at LOCATION, which a file of DATASETS/locations declares; may be repeated"},
    {"datasets", 0, OPTION_TEXT, "DIR", offsetof(struct store_flags, datasets), "CODEANATOMY_DATASETS",
     "contracts and models of your own"},
    {"profile", 0, OPTION_TEXT, "NAME", offsetof(struct store_flags, profile), "CODEANATOMY_PROFILE",
     "runtime limits: small, medium, large, auto"},
    {"preset", 0, OPTION_TEXT, "NAME", offsetof(struct store_flags, preset), "CODEANATOMY_PRESET",
     "schema settings: schema_hardening, arrow_performance"},
    {"set", 0, OPTION_LIST, "KEY=VALUE", offsetof(struct store_flags, settings), NULL,
     "an engine setting, datafusion.*; may be repeated"},
};

struct option_group store_place_group(struct store_flags *flags)
{
    return (struct option_group){"Store", specs, 1, flags};
}

struct option_group store_group(struct store_flags *flags)
{
    return (struct option_group){"Store", specs, G_N_ELEMENTS(specs), flags};
}

void store_flags_done(struct store_flags *flags)
{
    g_clear_pointer(&flags->settings, g_ptr_array_unref);
    g_clear_pointer(&flags->pins, g_ptr_array_unref);
    g_clear_pointer(&flags->locations, g_ptr_array_unref);
}

static bool is_repository(const char *folder)
{
    g_autofree char *store = g_build_filename(folder, STORE_FOLDER, NULL);
    g_autofree char *project = g_build_filename(folder, STORE_PROJECT_FILE, NULL);
    return g_file_test(store, G_FILE_TEST_IS_DIR) || g_file_test(project, G_FILE_TEST_IS_REGULAR);
}

char *store_find_repository(void)
{
    char *folder = g_get_current_dir();
    for (;;) {
        if (is_repository(folder))
            return folder;
        char *parent = g_path_get_dirname(folder);
        bool is_root = g_strcmp0(parent, folder) == 0;
        g_free(folder);
        folder = parent;
        if (is_root)
            break;
    }
    g_free(folder);
    return NULL;
}

/* The store of `folder`; *ret NULL: there is none to be found. */
static int find_store(const struct store_flags *flags, const char *folder, char **ret, struct ca_error *err)
{
    *ret = NULL;
    if (flags->store != NULL) {
        *ret = g_strdup(flags->store);
        return CA_OK;
    }
    if (folder == NULL)
        return CA_OK;
    g_autoptr(GString) path = g_string_new(NULL);
    int rc = ca_store_path(folder, answer_take_text, path, err);
    if (rc == CA_OK)
        *ret = g_strdup(path->str);
    return rc;
}

int store_find(const struct store_flags *flags, char **ret, struct ca_error *err)
{
    g_autofree char *folder = flags->store != NULL ? NULL : store_find_repository();
    return find_store(flags, folder, ret, err);
}

int store_open_session(struct cli *cli, const struct store_flags *flags, const char *repository, bool is_writable,
                       ca_session **ret, struct ca_error *err)
{
    /* A store that is named is asked alone: the project file around it may be another repository's. */
    bool is_named = flags->store != NULL;
    g_autofree char *folder = is_named ? NULL : repository != NULL ? g_strdup(repository) : store_find_repository();
    g_autofree char *user_file = config_user_file();
    g_autofree char *store = NULL;
    int rc = find_store(flags, folder, &store, err);
    if (rc != CA_OK)
        return rc;
    struct ca_session_options o = {
        .size = sizeof o,
        .store = store,
        .datasets = flags->datasets,
        .run = flags->run,
        .as_of = flags->as_of,
        .profile = flags->profile,
        .preset = flags->preset,
        .read_only = !is_writable,
        .repository = folder,
        .user_file = user_file,
    };
    o.settings = options_values(flags->settings, &o.n_settings);
    o.environment = config_environment(&o.n_environment);
    o.pins = options_values(flags->pins, &o.n_pins);
    o.locations = options_values(flags->locations, &o.n_locations);
    rc = ca_session_open(&o, ret, err);
    if (rc == CA_OK && is_named && repository != NULL)
        talk_note(&cli->talk, "'%s' is not looked at: the store is said to be '%s'", repository, flags->store);
    if (rc == CA_OK && store == NULL)
        talk_note(&cli->talk, "no store here, every dataset is empty: make one with 'codeanatomy build REPO'");
    return rc;
}
