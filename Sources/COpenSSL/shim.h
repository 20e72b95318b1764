#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <openssl/pem.h>
#include <openssl/err.h>

// SHA-256 of `count` bytes into 32 bytes at `digest`, through one context a thread: fetching the
// algorithm or making a context for each call costs several times the hash of a short message.
// Returns 1, or 0 when libcrypto cannot (it is out of memory, or has no SHA-256).
static inline int quorate_sha256(const void *bytes, size_t count, unsigned char *digest) {
  static _Thread_local EVP_MD_CTX *context;
  if (!context) {
    EVP_MD_CTX *made = EVP_MD_CTX_new();
    if (!made) return 0;
    if (EVP_DigestInit_ex(made, EVP_sha256(), NULL) != 1) {
      EVP_MD_CTX_free(made);
      return 0;
    }
    context = made;
  }
  return EVP_DigestInit_ex(context, NULL, NULL) == 1 &&
         EVP_DigestUpdate(context, bytes, count) == 1 &&
         EVP_DigestFinal_ex(context, digest, NULL) == 1;
}
