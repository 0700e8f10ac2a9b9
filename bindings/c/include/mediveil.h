/* mediveil: privacy-preserving cryptography for electronic health records. Nothing here has been audited.
 *
 * This header is made from the Rust sources beside it; do not edit it.
 *
 * Status. Every function that can fail returns a mediveil_status. The text of the last failure on this thread is at
 * mediveil_last_error(). A fault inside the library never unwinds into C: it is MEDIVEIL_PANIC.
 *
 * Handles. They are opaque, made into a variable whose address is given, and freed by the function of their type, which takes
 * the variable's address and sets it to NULL: freeing twice is harmless. A handle is a number in a pointer's clothes and not an
 * address. NULL is refused wherever it is not said to be allowed, and so is a handle that was freed, wherever a copy of it comes
 * from, and one of another type: MEDIVEIL_WRONG_HANDLE. mediveil_handles() says how many were not freed yet. A function that
 * makes a handle sets the variable to NULL first, whatever was in it.
 *
 * Buffers. An output buffer is (out, len): *len says how much room there is, and afterwards how much the result needs. With out
 * NULL only that is asked. MEDIVEIL_TOO_SMALL leaves the buffer as it was. Input of length 0 may be NULL.
 *
 * Texts are UTF-8 and end with a zero. Times are milliseconds since 1970 in UTC. Secrets are wiped from the library's memory; what
 * was copied into a buffer of yours is yours to wipe.
 *
 * Threads. Any function may be called by any thread at any time, with the same handles or others. A handle that is freed while
 * another thread's call uses it lives until that call returns. Callbacks run on the calling thread, and may call the library.
 * A callback must return: it neither throws nor longjmps.
 *
 * fork(). Allowed while no other thread is in the library. In the child everything goes on as in the parent, except: logs and
 * budgets must be opened again, and policies and committees cannot be used if they were before the fork. Both are MEDIVEIL_STATE.
 */

#ifndef MEDIVEIL_H
#define MEDIVEIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/*
 What came of a call. The numbers stay as they are; new ones may be added.
 */
typedef enum {
  /*
   Done.
   */
  MEDIVEIL_OK = 0,
  /*
   Something failed that fits nothing below.
   */
  MEDIVEIL_FAILED = 1,
  /*
   An argument cannot be.
   */
  MEDIVEIL_INVALID = 2,
  /*
   A policy, an attribute or an authority's schema cannot be read or does not fit.
   */
  MEDIVEIL_POLICY = 3,
  /*
   Understood, and not allowed: an expired key, for instance.
   */
  MEDIVEIL_REFUSED = 4,
  /*
   None of the keys or passphrases given opens this.
   */
  MEDIVEIL_NO_KEY = 5,
  /*
   The privacy budget or a quota does not reach. Nothing was spent.
   */
  MEDIVEIL_BUDGET = 6,
  /*
   The bytes are not what they should be: changed, cut short, or something else.
   */
  MEDIVEIL_DAMAGED = 7,
  /*
   A signature, a proof or a head does not verify, or comes from somebody else.
   */
  MEDIVEIL_UNVERIFIED = 8,
  /*
   The file system or the database failed.
   */
  MEDIVEIL_STORAGE = 9,
  /*
   What was named is not there.
   */
  MEDIVEIL_NOT_FOUND = 10,
  /*
   What was to be made is there already.
   */
  MEDIVEIL_EXISTS = 11,
  /*
   Another process or thread holds it. Try again.
   */
  MEDIVEIL_BUSY = 12,
  /*
   It is in a state in which this cannot be done.
   */
  MEDIVEIL_STATE = 13,
  /*
   A pointer is NULL that must not be.
   */
  MEDIVEIL_NULL = 14,
  /*
   The output buffer is too small; its length says now what is needed.
   */
  MEDIVEIL_TOO_SMALL = 15,
  /*
   A text is not UTF-8.
   */
  MEDIVEIL_NOT_UTF8 = 16,
  /*
   A handle is not of this type, or was freed.
   */
  MEDIVEIL_WRONG_HANDLE = 17,
  /*
   A callback reported a failure.
   */
  MEDIVEIL_CALLBACK = 18,
  /*
   A fault in the library, caught at its border. The handles of the call should be freed.
   */
  MEDIVEIL_PANIC = 19,
} mediveil_status;

/*
 A reader's key from an authority. May be used by several threads at once.
 */
typedef struct mediveil_attribute_key mediveil_attribute_key;

/*
 An authority with its master secret. May be used by several threads at once.
 */
typedef struct mediveil_authority mediveil_authority;

/*
 The budget of a data set. May be used by several threads at once; not in a child after fork().
 */
typedef struct mediveil_budget mediveil_budget;

/*
 The secret half of an identity. May be used by several threads at once.
 */
typedef struct mediveil_identity mediveil_identity;

/*
 Everything public about a committee's key in one epoch. May be used by several threads at once.
 */
typedef struct mediveil_key_set mediveil_key_set;

/*
 One member's secret share of a committee's key in one epoch. May be used by several threads at once.
 */
typedef struct mediveil_key_share mediveil_key_share;

/*
 What a file is opened with. May be used and changed by several threads at once: a call takes those that are there when it
 begins.
 */
typedef struct mediveil_keys mediveil_keys;

/*
 An open log. May be used by several threads at once; not in a child after fork().
 */
typedef struct mediveil_log mediveil_log;

/*
 The public half of an authority. May be used by several threads at once.
 */
typedef struct mediveil_parameters mediveil_parameters;

/*
 A question with its noise and price. May be used by several threads at once.
 */
typedef struct mediveil_plan mediveil_plan;

/*
 The public half of an identity. May be used by several threads at once.
 */
typedef struct mediveil_public mediveil_public;

/*
 Whom a file is sealed for. May be used and changed by several threads at once: a call takes those that are there when it
 begins.
 */
typedef struct mediveil_recipients mediveil_recipients;

/*
 A paid question: a permit to answer it once, or the answer that it got before. May be used by several threads, one after the other.
 */
typedef struct mediveil_reservation mediveil_reservation;

/*
 A verifying key of one of the statements. May be used by several threads at once.
 */
typedef struct mediveil_verifying_key mediveil_verifying_key;

/*
 What a committee's key is like.
 */
typedef struct {
  /*
   How many members the committee has.
   */
  uint16_t members;
  /*
   How many of them are needed to use the key.
   */
  uint16_t needed;
  /*
   How often the shares were renewed.
   */
  uint32_t epoch;
} mediveil_key_set_info;

/*
 Reads up to `len` bytes into `data` and returns how many, 0 at the end, and less than 0 for a failure.
 */
typedef ptrdiff_t (*mediveil_read)(void *user, uint8_t *data, size_t len);

/*
 Writes all `len` bytes of `data` and returns 0, or anything else for a failure.
 */
typedef int32_t (*mediveil_write)(void *user, const uint8_t *data, size_t len);

/*
 What a plan would cost. Costs are rounded up and what remains down.
 */
typedef struct {
  /*
   Whether a reservation would be refused now; reserving tells why.
   */
  bool refused;
  /*
   Whether amounts are rho with delta (zero-concentrated) and not epsilon (pure).
   */
  bool concentrated;
  /*
   The cost: epsilon or rho; 0 for a question that was paid for.
   */
  double cost;
  /*
   The cost's delta.
   */
  double cost_delta;
  /*
   What remains: epsilon or rho; less than 0 where that is private.
   */
  double remaining;
  /*
   What remains of delta.
   */
  double remaining_delta;
} mediveil_preview;

/*
 Totals of a query, exact.
 */
typedef struct {
  /*
   Rows that count.
   */
  uint64_t count;
  /*
   The sum, its upper 64 bits.
   */
  uint64_t sum_high;
  /*
   The sum, its lower 64 bits.
   */
  uint64_t sum_low;
  /*
   The sum of squares, its upper 64 bits.
   */
  uint64_t squares_high;
  /*
   The sum of squares, its lower 64 bits.
   */
  uint64_t squares_low;
} mediveil_totals;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The text of the last failure on this thread, with its terminating zero; empty if there was none. It names no secret and no
 patient. This call itself changes it only if it fails.
 */
mediveil_status mediveil_last_error(char *out,
                                    size_t *len);

/*
 How many handles live, of all types: what is left at the end was not freed.
 */
size_t mediveil_handles(void);

/*
 The version of the library, as a text that lives for ever.
 */
const char *mediveil_version(void);

/*
 Makes a new identity: P-256 keys, and with `hybrid` a post-quantum sealing key as well.
 */
mediveil_status mediveil_identity_generate(bool hybrid, mediveil_identity **out);

/*
 Reads a key file; `passphrase` may be NULL. MEDIVEIL_NO_KEY without its passphrase or with a wrong one.
 */
mediveil_status mediveil_identity_load(const char *path, const char *passphrase, mediveil_identity **out);

/*
 Writes a key file that its owner alone can read, under a passphrase unless it is NULL. MEDIVEIL_EXISTS where a file is.
 */
mediveil_status mediveil_identity_save(const mediveil_identity *identity, const char *path, const char *passphrase);

/*
 The public half of an identity, as a handle of its own.
 */
mediveil_status mediveil_identity_public(const mediveil_identity *identity, mediveil_public **out);

/*
 Frees an identity, wipes it, and sets the variable to NULL.
 */
void mediveil_identity_free(mediveil_identity **identity);

/*
 Reads a public key file.
 */
mediveil_status mediveil_public_load(const char *path, mediveil_public **out);

/*
 Writes a public key file.
 */
mediveil_status mediveil_public_save(const mediveil_public *public_, const char *path);

/*
 Reads the bytes that `mediveil_public_to_bytes` gave.
 */
mediveil_status mediveil_public_from_bytes(const uint8_t *data, size_t len, mediveil_public **out);

/*
 The bytes of a public identity.
 */
mediveil_status mediveil_public_to_bytes(const mediveil_public *public_, uint8_t *out, size_t *len);

/*
 The 32 bytes that name a public identity, into `out`.
 */
mediveil_status mediveil_public_id(const mediveil_public *public_, uint8_t *out);

/*
 Frees a public identity and sets the variable to NULL.
 */
void mediveil_public_free(mediveil_public **public_);

/*
 Whether a key with these attributes (`count` texts such as "role:doctor" or "clearance=3") satisfies a policy.
 */
mediveil_status mediveil_policy_satisfied(const char *policy, const char *const *attributes, size_t count, bool *out);

/*
 The policy as it is understood, in its canonical form. MEDIVEIL_POLICY with the position for one that does not parse.
 */
mediveil_status mediveil_policy_canonical(const char *policy, char *out, size_t *len);

/*
 Makes an authority of plain attributes whose keys expire by the day.
 */
mediveil_status mediveil_authority_create(const char *name, mediveil_authority **out);

/*
 Reads an authority's file, which the command or Python can also make, with numbers, dates and emergency attributes.
 */
mediveil_status mediveil_authority_load(const char *path, mediveil_authority **out);

/*
 Writes an authority's file, which its owner alone can read. MEDIVEIL_EXISTS where a file is.
 */
mediveil_status mediveil_authority_save(const mediveil_authority *authority, const char *path);

/*
 The public half of an authority, as a handle of its own.
 */
mediveil_status mediveil_authority_parameters(const mediveil_authority *authority, mediveil_parameters **out);

/*
 Grants a key for `count` attributes that expires by `until`; both times are milliseconds since 1970.
 */
mediveil_status mediveil_authority_grant(const mediveil_authority *authority,
                                         const char *const *attributes,
                                         size_t count,
                                         uint64_t until,
                                         uint64_t now,
                                         mediveil_attribute_key **out);

/*
 Frees an authority, wipes its secret, and sets the variable to NULL.
 */
void mediveil_authority_free(mediveil_authority **authority);

/*
 Reads the file of an authority's public half.
 */
mediveil_status mediveil_parameters_load(const char *path, mediveil_parameters **out);

/*
 Writes the file of an authority's public half.
 */
mediveil_status mediveil_parameters_save(const mediveil_parameters *parameters, const char *path);

/*
 Frees an authority's public half and sets the variable to NULL.
 */
void mediveil_parameters_free(mediveil_parameters **parameters);

/*
 Reads the file of an attribute key.
 */
mediveil_status mediveil_attribute_key_load(const char *path, mediveil_attribute_key **out);

/*
 Writes the file of an attribute key, which its owner alone can read. MEDIVEIL_EXISTS where a file is.
 */
mediveil_status mediveil_attribute_key_save(const mediveil_attribute_key *key, const char *path);

/*
 Frees an attribute key, wipes it, and sets the variable to NULL.
 */
void mediveil_attribute_key_free(mediveil_attribute_key **key);

/*
 Reads the file of a key set, as the command writes it.
 */
mediveil_status mediveil_key_set_load(const char *path, mediveil_key_set **out);

/*
 Reads a key set from the bytes of its file.
 */
mediveil_status mediveil_key_set_from_bytes(const uint8_t *data, size_t len, mediveil_key_set **out);

/*
 How many members there are, how many are needed, and in which epoch.
 */
mediveil_status mediveil_key_set_describe(const mediveil_key_set *set, mediveil_key_set_info *out);

/*
 The 32 bytes that name the committee's key, into `out`. They stay the same when shares are renewed.
 */
mediveil_status mediveil_key_set_key_id(const mediveil_key_set *set, uint8_t *out);

/*
 Frees a key set and sets the variable to NULL.
 */
void mediveil_key_set_free(mediveil_key_set **set);

/*
 Reads the file of a member's share, as the command writes it.
 */
mediveil_status mediveil_key_share_load(const char *path, mediveil_key_share **out);

/*
 Reads a member's share from the bytes of its file.
 */
mediveil_status mediveil_key_share_from_bytes(const uint8_t *data, size_t len, mediveil_key_share **out);

/*
 Whose share it is: the member's number, from 1. MEDIVEIL_STATE if it is no share of this set: of another key or epoch, or wrong.
 */
mediveil_status mediveil_key_share_member(const mediveil_key_share *share,
                                          const mediveil_key_set *set,
                                          uint16_t *out);

/*
 Frees a share, wipes it, and sets the variable to NULL.
 */
void mediveil_key_share_free(mediveil_key_share **share);

/*
 Encapsulates a fresh key of 32 bytes for a committee; use it as the key of one AEAD. `associated` is what the ciphertext
 belongs to: whoever checks or opens it must give the same bytes. Writes neither the key nor the ciphertext unless there is
 room for both; the ciphertext's length is always the same.
 */
mediveil_status mediveil_threshold_encapsulate(const mediveil_key_set *set,
                                               const uint8_t *associated,
                                               size_t associated_len,
                                               uint8_t *key,
                                               uint8_t *out,
                                               size_t *len);

/*
 Checks that a ciphertext was made for this committee's key and these associated data, by someone who knew what is in it.
 MEDIVEIL_DAMAGED otherwise.
 */
mediveil_status mediveil_threshold_check(const mediveil_key_set *set,
                                         const uint8_t *associated,
                                         size_t associated_len,
                                         const uint8_t *ciphertext,
                                         size_t ciphertext_len);

/*
 A member's share of the decryption of a ciphertext, which is checked first. As many of them as are needed open the
 ciphertext, so send it to nobody but the one who may read. MEDIVEIL_STATE if the share is no share of this set.
 */
mediveil_status mediveil_threshold_decrypt(const mediveil_key_share *share,
                                           const mediveil_key_set *set,
                                           const uint8_t *associated,
                                           size_t associated_len,
                                           const uint8_t *ciphertext,
                                           size_t ciphertext_len,
                                           uint8_t *out,
                                           size_t *len);

/*
 Verifies a member's share of a decryption. `member`, whose it says it is, may be NULL; it is set for a wrong share as well.
 */
mediveil_status mediveil_threshold_verify(const mediveil_key_set *set,
                                          const uint8_t *associated,
                                          size_t associated_len,
                                          const uint8_t *ciphertext,
                                          size_t ciphertext_len,
                                          const uint8_t *share,
                                          size_t share_len,
                                          uint16_t *member);

/*
 The key of 32 bytes in a ciphertext, from exactly as many members' shares as are needed: `count` of them, with their
 lengths. The result is checked, so the shares need not be. MEDIVEIL_UNVERIFIED tells in its text whose shares are wrong.
 */
mediveil_status mediveil_threshold_combine(const mediveil_key_set *set,
                                           const uint8_t *associated,
                                           size_t associated_len,
                                           const uint8_t *ciphertext,
                                           size_t ciphertext_len,
                                           const uint8_t *const *shares,
                                           const size_t *share_lens,
                                           size_t count,
                                           uint8_t *key);

/*
 Makes an empty list of recipients.
 */
mediveil_status mediveil_recipients_new(mediveil_recipients **out);

/*
 Adds the holder of an identity. The list keeps what it needs: `to` may be freed afterwards.
 */
mediveil_status mediveil_recipients_add_public(mediveil_recipients *list, const mediveil_public *to);

/*
 Adds whoever knows a passphrase.
 */
mediveil_status mediveil_recipients_add_passphrase(mediveil_recipients *list, const char *passphrase);

/*
 Adds whoever has a key of this authority that satisfies a policy and is unexpired at `now` (milliseconds since 1970).
 */
mediveil_status mediveil_recipients_add_policy(mediveil_recipients *list,
                                               const char *policy,
                                               const mediveil_parameters *parameters,
                                               uint64_t now);

/*
 Adds a committee, as many of whose members as are needed open the file together. `owner`, who can veto that, and how long
 the members wait for a veto, in seconds, go together: NULL and 0 for none.
 */
mediveil_status mediveil_recipients_add_committee(mediveil_recipients *list,
                                                  const mediveil_key_set *set,
                                                  const mediveil_public *owner,
                                                  uint32_t delay);

/*
 Frees a list and sets the variable to NULL.
 */
void mediveil_recipients_free(mediveil_recipients **list);

/*
 Makes an empty list of keys.
 */
mediveil_status mediveil_keys_new(mediveil_keys **out);

/*
 Adds an identity. The list keeps what it needs: `key` may be freed afterwards.
 */
mediveil_status mediveil_keys_add_identity(mediveil_keys *list, const mediveil_identity *key);

/*
 Adds a passphrase.
 */
mediveil_status mediveil_keys_add_passphrase(mediveil_keys *list, const char *passphrase);

/*
 Adds an authority's key.
 */
mediveil_status mediveil_keys_add_attribute_key(mediveil_keys *list, const mediveil_attribute_key *key);

/*
 Frees a list and sets the variable to NULL.
 */
void mediveil_keys_free(mediveil_keys **list);

/*
 Seals `data` for the recipients. `author`, who signs, may be NULL; `context` is readable by everyone, at most 4,096 bytes, and
 may be NULL where its length is 0. Asking for the length (`out` NULL) costs as much as sealing; it depends on the length of
 the data, the recipients, the author and the context's length alone.
 */
mediveil_status mediveil_seal(const mediveil_recipients *recipients,
                              const mediveil_identity *author,
                              const uint8_t *context,
                              size_t context_len,
                              const uint8_t *data,
                              size_t data_len,
                              uint8_t *out,
                              size_t *len);

/*
 Opens a sealed file with whichever of the keys fits. If `author` is not NULL, it must be signed by them. Nothing is written
 unless everything is in order. The plaintext is never longer than the file.
 */
mediveil_status mediveil_open(const mediveil_keys *keys,
                              const mediveil_public *author,
                              const uint8_t *sealed,
                              size_t sealed_len,
                              uint8_t *out,
                              size_t *len);

/*
 Seals what `read` gives into what `write` takes, in 64 KiB of memory. `user` is handed to both. `total`, the number of bytes
 read, may be NULL.
 */
mediveil_status mediveil_seal_stream(const mediveil_recipients *recipients,
                                     const mediveil_identity *author,
                                     const uint8_t *context,
                                     size_t context_len,
                                     mediveil_read read,
                                     mediveil_write write,
                                     void *user,
                                     uint64_t *total);

/*
 Opens what `read` gives into what `write` takes, in 64 KiB of memory. `write` gets each segment as soon as it has been checked:
 after a failure what it got is genuine but not complete, and its author is not known. `total` may be NULL.
 */
mediveil_status mediveil_open_stream(const mediveil_keys *keys,
                                     const mediveil_public *author,
                                     mediveil_read read,
                                     mediveil_write write,
                                     void *user,
                                     uint64_t *total);

/*
 Opens a log, or makes one if `create`: MEDIVEIL_EXISTS then if there is a file.
 */
mediveil_status mediveil_log_open(const char *path, bool create, mediveil_log **out);

/*
 Records a text of at most 1,024 bytes, at a time in milliseconds since 1970. `index`, where it stands, may be NULL. The entry
 is on the disk when this returns.
 */
mediveil_status mediveil_log_append_note(const mediveil_log *log,
                                         const char *text,
                                         uint64_t at,
                                         uint64_t *index);

/*
 The head of the log, signed by its operator.
 */
mediveil_status mediveil_log_head(const mediveil_log *log,
                                  const mediveil_identity *operator_,
                                  uint64_t at,
                                  uint8_t *out,
                                  size_t *len);

/*
 Evidence that an entry is in the log of this head.
 */
mediveil_status mediveil_log_evidence(const mediveil_log *log,
                                      uint64_t index,
                                      const uint8_t *head,
                                      size_t head_len,
                                      uint8_t *out,
                                      size_t *len);

/*
 Proof that the log of `new_size` entries extends the log of `old_size`.
 */
mediveil_status mediveil_log_consistency(const mediveil_log *log,
                                         uint64_t old_size,
                                         uint64_t new_size,
                                         uint8_t *out,
                                         size_t *len);

/*
 Reads the whole log and recomputes its tree. `size` and `root`, of 32 bytes, may be NULL. MEDIVEIL_DAMAGED says what was changed.
 */
mediveil_status mediveil_log_verify(const mediveil_log *log,
                                    uint64_t *size,
                                    uint8_t *root);

/*
 Makes sure that the log extends the one whose head was kept.
 */
mediveil_status mediveil_log_check_against(const mediveil_log *log,
                                           const uint8_t *head,
                                           size_t head_len,
                                           const mediveil_public *operator_);

/*
 Closes a log and sets the variable to NULL.
 */
void mediveil_log_free(mediveil_log **log);

/*
 Checks evidence without the log, and gives the entry's index, which may be NULL, and its bytes.
 */
mediveil_status mediveil_verify_evidence(const uint8_t *evidence,
                                         size_t evidence_len,
                                         const mediveil_public *operator_,
                                         uint64_t *index,
                                         uint8_t *out,
                                         size_t *len);

/*
 Checks without the log that the newer of two signed heads extends the older.
 */
mediveil_status mediveil_verify_consistency(const uint8_t *old_head,
                                            size_t old_len,
                                            const uint8_t *new_head,
                                            size_t new_len,
                                            const uint8_t *proof,
                                            size_t proof_len,
                                            const mediveil_public *operator_);

/*
 Makes the budget of a data set, named by 32 bytes, for its life. `schema` is JSON; `epsilon` a decimal such as "1".
 */
mediveil_status mediveil_budget_create(const mediveil_log *log,
                                       const uint8_t *data_set,
                                       const char *schema,
                                       const char *epsilon,
                                       uint64_t now,
                                       mediveil_budget **out);

/*
 Opens the budget of a data set, named by 32 bytes.
 */
mediveil_status mediveil_budget_open(const mediveil_log *log, const uint8_t *data_set, mediveil_budget **out);

/*
 Frees a budget and sets the variable to NULL.
 */
void mediveil_budget_free(mediveil_budget **budget);

/*
 Plans a question. `schema` and `query` are JSON; the price is one of `epsilon` and `rho`, a decimal; the other is NULL. `version`
 is that of the data.
 */
mediveil_status mediveil_plan_new(const char *schema,
                                  const char *query,
                                  const char *epsilon,
                                  const char *rho,
                                  uint64_t version,
                                  mediveil_plan **out);

/*
 Frees a plan and sets the variable to NULL.
 */
void mediveil_plan_free(mediveil_plan **plan);

/*
 What a plan would cost and whether it would be refused. Touches nothing.
 */
mediveil_status mediveil_budget_preview(const mediveil_budget *budget,
                                        const mediveil_plan *plan,
                                        mediveil_preview *out);

/*
 Debits a plan, durably, before any data is touched. MEDIVEIL_BUDGET if it does not fit; nothing is spent then. `now` is in
 milliseconds since 1970.
 */
mediveil_status mediveil_budget_reserve(const mediveil_budget *budget,
                                        const mediveil_plan *plan,
                                        uint64_t now,
                                        mediveil_reservation **out);

/*
 Adds the noise of the plan's mechanism `index` to `count` exact values, in place. Each mechanism runs once a permit. Show
 nothing before it is settled.
 */
mediveil_status mediveil_reservation_add_noise(mediveil_reservation *reservation,
                                               size_t index,
                                               int64_t *values,
                                               size_t count);

/*
 Stores the answer of a permit; afterwards the reservation holds the stored answer, which may be an earlier one.
 */
mediveil_status mediveil_reservation_settle(mediveil_reservation *reservation,
                                            const mediveil_budget *budget,
                                            const uint8_t *answer,
                                            size_t answer_len,
                                            uint64_t now);

/*
 The stored answer. MEDIVEIL_STATE while the reservation holds a permit.
 */
mediveil_status mediveil_reservation_answer(const mediveil_reservation *reservation, uint8_t *out, size_t *len);

/*
 Frees a reservation and sets the variable to NULL. A debit stands: the same plan gets another permit for it.
 */
void mediveil_reservation_free(mediveil_reservation **reservation);

/*
 Reads a verifying key. `sha256`, the 32 bytes that its file is known by, may be NULL: MEDIVEIL_UNVERIFIED if it has another.
 MEDIVEIL_REFUSED for a development key, under which whoever made it can forge, unless `allow_development`.
 */
mediveil_status mediveil_verifying_key_load(const char *path,
                                            const uint8_t *sha256,
                                            bool allow_development,
                                            mediveil_verifying_key **out);

/*
 Reads a verifying key from the bytes of its file, otherwise as `mediveil_verifying_key_load`.
 */
mediveil_status mediveil_verifying_key_from_bytes(const uint8_t *data,
                                                  size_t len,
                                                  const uint8_t *sha256,
                                                  bool allow_development,
                                                  mediveil_verifying_key **out);

/*
 Whether a verifying key is of a ceremony; else it is a development key, under which whoever made it can forge.
 */
mediveil_status mediveil_verifying_key_is_of_ceremony(const mediveil_verifying_key *key, bool *out);

/*
 Frees a verifying key and sets the variable to NULL.
 */
void mediveil_verifying_key_free(mediveil_verifying_key **key);

/*
 Verifies a proof of who somebody is: the holder of a credential of the registry, of an age and with a role that `request`
 asks for. `request` is the verifier's own, as JSON, with a challenge that no earlier one had; `registry` is the issuer's
 published file, from a source that is trusted. `nullifier`, 32 bytes that are the same for every proof of one holder in one
 scope, may be NULL; to take a person once, keep them and compare. MEDIVEIL_UNVERIFIED unless all of it is proved.
 */
mediveil_status mediveil_verify_identity(const mediveil_verifying_key *key,
                                         const char *request,
                                         const uint8_t *registry,
                                         size_t registry_len,
                                         const uint8_t *proof,
                                         size_t proof_len,
                                         uint8_t *nullifier);

/*
 Verifies a proof of what a record says, signed for its holder by one of the providers. `request` is the verifier's own, as
 JSON; `providers` is the registry of accredited ones, from a source that is trusted; `nullifier` as for
 `mediveil_verify_identity`.
 */
mediveil_status mediveil_verify_record(const mediveil_verifying_key *key,
                                       const char *request,
                                       const uint8_t *providers,
                                       size_t providers_len,
                                       const uint8_t *proof,
                                       size_t proof_len,
                                       uint8_t *nullifier);

/*
 Verifies the answer to a query over a table, and gives its totals. `request` is the asker's own, as JSON; `table` is the
 published commitment, as it was had before the question.
 */
mediveil_status mediveil_verify_statistics(const mediveil_verifying_key *key,
                                           const char *request,
                                           const uint8_t *table,
                                           size_t table_len,
                                           const uint8_t *answer,
                                           size_t answer_len,
                                           mediveil_totals *totals);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MEDIVEIL_H */
