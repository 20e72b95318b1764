import COpenSSL
import Wire

/// The SHA-256 digest of `bytes` (FIPS 180-4), by libcrypto through a context kept a thread.
package func sha256(_ bytes: [UInt8]) -> Digest {
  bytes.withUnsafeBytes { sha256($0) }
}

/// The SHA-256 digest of the bytes in `buffer`; allocates nothing.
package func sha256(_ buffer: UnsafeRawBufferPointer) -> Digest {
  withScratch(32) { target in
    let done = quorate_sha256(
      buffer.baseAddress, buffer.count, target.assumingMemoryBound(to: UInt8.self))
    precondition(done == 1, "libcrypto has no SHA-256, or no memory for it")
    return Digest(loading: target)
  }
}

/// Gives `body` so many bytes of memory, on the stack when they are few.
@inlinable package func withScratch<R>(
  _ count: Int, _ body: (UnsafeMutableRawPointer) -> R
) -> R {
  withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { buffer in
    guard let base = buffer.baseAddress else { preconditionFailure("no memory of 0 bytes") }
    return body(base)
  }
}

/// SHA-256 of what comes in parts.
///
/// - Bound: one libcrypto context, freed with the value.
package struct SHA256: ~Copyable {
  private let context: OpaquePointer

  package init() {
    guard let made = EVP_MD_CTX_new(), EVP_DigestInit_ex(made, EVP_sha256(), nil) == 1 else {
      preconditionFailure("libcrypto has no SHA-256, or no memory for it")
    }
    context = made
  }

  deinit { EVP_MD_CTX_free(context) }

  package mutating func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  package mutating func update(_ buffer: UnsafeRawBufferPointer) {
    precondition(EVP_DigestUpdate(context, buffer.baseAddress, buffer.count) == 1, "SHA-256")
  }

  package mutating func update(_ digest: Digest) {
    withScratch(32) { target in
      digest.store(to: target)
      update(UnsafeRawBufferPointer(start: target, count: 32))
    }
  }

  /// The digest of all parts so far; the value starts anew.
  package mutating func finish() -> Digest {
    withScratch(32) { target in
      let done = EVP_DigestFinal_ex(context, target.assumingMemoryBound(to: UInt8.self), nil)
      precondition(done == 1 && EVP_DigestInit_ex(context, nil, nil) == 1, "SHA-256")
      return Digest(loading: target)
    }
  }
}

extension Statement {
  /// The digest of what is signed. Names calls and blocks.
  package var digest: Digest { sha256(signedBytes) }
}

extension Genesis {
  /// Names the subnet that starts from this document.
  package var subnet: SubnetID { sha256(canonicalBytes) }

  /// The members of epoch 0.
  /// - Precondition: 1 to `Limits.membersMax` distinct keys, which `isSound` says.
  package var committee: Committee { Committee(subnet: subnet, epoch: 0, keys: members) }

  /// Whether a committee can be made of the members: what reads a genesis from outside asks first.
  package var isSound: Bool {
    !members.isEmpty && members.count <= Limits.membersMax && Set(members).count == members.count
  }
}
