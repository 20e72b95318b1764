import CSodium
import Wire

/// An Ed25519 key pair (RFC 8032), with the secret key expanded once.
package struct KeyPair: Sendable {
  package let publicKey: PublicKey
  /// libsodium's form: the seed, then the public key.
  private let secret: [UInt8]

  package static let seedBytes = 32

  /// - Parameter seed: 32 secret bytes.
  /// - Returns: nil unless there are exactly 32.
  package init?(seed: [UInt8]) {
    guard seed.count == Self.seedBytes else { return nil }
    sodiumReady()
    var publicBytes = [UInt8](repeating: 0, count: 32)
    var secret = [UInt8](repeating: 0, count: 64)
    guard crypto_sign_seed_keypair(&publicBytes, &secret, seed) == 0,
      let publicKey = PublicKey(publicBytes)
    else { return nil }
    self.publicKey = publicKey
    self.secret = secret
  }

  /// A new pair from the system's chance.
  package static func generate() -> KeyPair {
    sodiumReady()
    var seed = [UInt8](repeating: 0, count: seedBytes)
    randombytes_buf(&seed, seed.count)
    guard let pair = KeyPair(seed: seed) else { preconditionFailure("a seed of 32 bytes failed") }
    return pair
  }

  package var seed: [UInt8] { Array(secret.prefix(Self.seedBytes)) }

  func sign(_ bytes: [UInt8]) -> Signature {
    var out = [UInt8](repeating: 0, count: 64)
    let status = crypto_sign_detached(&out, nil, bytes, UInt64(bytes.count), secret)
    guard status == 0, let signature = Signature(out) else {
      preconditionFailure("libsodium did not sign \(bytes.count) bytes: \(status)")
    }
    return signature
  }
}

extension KeyPair: CustomStringConvertible {
  /// Never shows the secret.
  package var description: String { "key pair \(publicKey)" }
}

private let sodiumStarted: Int32 = sodium_init()

/// Starts libsodium once a process.
func sodiumReady() {
  precondition(sodiumStarted >= 0, "libsodium did not start: the system gives no random bytes")
}

/// Whether `signature` is `key`'s under `bytes`: by libsodium, which refuses keys of small order
/// and signatures that are not in their canonical form.
func ed25519Verifies(_ signature: Signature, _ bytes: [UInt8], _ key: PublicKey) -> Bool {
  sodiumReady()
  return crypto_sign_verify_detached(signature.bytes, bytes, UInt64(bytes.count), key.bytes) == 0
}
