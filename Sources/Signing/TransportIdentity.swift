import COpenSSL
import Wire

/// A replica's certificate for its links and its private key: self-signed X.509 with Ed25519
/// (RFC 8410), made by libcrypto and pinned by its fingerprint.
package struct TransportIdentity: Sendable {
  package let certificatePEM: String
  package let privateKeyPEM: String
  /// SHA-256 of the certificate's DER bytes.
  package let fingerprint: Digest

  /// A new identity; its common name and DNS name are `name`, it is valid for 20 years.
  /// - Throws: `SigningFault` when libcrypto refuses, for a name over 64 bytes for example.
  package static func make(name: String) throws(SigningFault) -> TransportIdentity {
    guard !name.isEmpty, name.utf8.count <= Limits.nameBytesMax,
      name.utf8.allSatisfy({ isNameByte($0) })
    else {
      throw SigningFault("\"\(name)\" cannot name a certificate: use 1 to 64 of a-z A-Z 0-9 - .")
    }
    guard let key = newKey() else { throw SigningFault("libcrypto made no Ed25519 key") }
    defer { EVP_PKEY_free(key) }
    guard let certificate = X509_new() else { throw SigningFault("libcrypto is out of memory") }
    defer { X509_free(certificate) }
    guard fill(certificate, name, key), X509_sign(certificate, key, nil) > 0 else {
      throw SigningFault("libcrypto signed no certificate for \"\(name)\"")
    }
    guard
      let certificatePEM = text({ PEM_write_bio_X509($0, certificate) == 1 }),
      let privateKeyPEM = text({
        PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) == 1
      }),
      let fingerprint = fingerprint(of: certificate)
    else { throw SigningFault("libcrypto wrote no PEM for \"\(name)\"") }
    return TransportIdentity(
      certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM, fingerprint: fingerprint)
  }

  /// The fingerprint of a certificate in PEM; nil when it is none.
  package static func fingerprint(ofPEM pem: String) -> Digest? {
    var bytes = Array(pem.utf8)
    guard let bio = BIO_new_mem_buf(&bytes, Int32(clamping: bytes.count)) else { return nil }
    defer { BIO_free(bio) }
    guard let certificate = PEM_read_bio_X509(bio, nil, nil, nil) else {
      ERR_clear_error()
      return nil
    }
    defer { X509_free(certificate) }
    return fingerprint(of: certificate)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e: true
    default: false
    }
  }

  private static func newKey() -> OpaquePointer? {
    guard let context = EVP_PKEY_CTX_new_id(NID_ED25519, nil) else { return nil }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &key) == 1 else {
      return nil
    }
    return key
  }

  /// Version 3, a random serial number, one name for subject and issuer, valid from a day ago.
  private static func fill(
    _ certificate: OpaquePointer, _ name: String, _ key: OpaquePointer
  ) -> Bool {
    let day = 86_400
    guard X509_set_version(certificate, 2) == 1,
      setSerial(certificate),
      X509_gmtime_adj(X509_getm_notBefore(certificate), -day) != nil,
      X509_gmtime_adj(X509_getm_notAfter(certificate), 20 * 365 * day) != nil,
      let subject = X509_get_subject_name(certificate),
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, -1, -1, 0) == 1,
      X509_set_issuer_name(certificate, subject) == 1,
      X509_set_pubkey(certificate, key) == 1
    else { return false }
    return setAlternativeName(certificate, "DNS:\(name),DNS:localhost,IP:127.0.0.1")
  }

  private static func setSerial(_ certificate: OpaquePointer) -> Bool {
    guard let number = BN_new() else { return false }
    defer { BN_free(number) }
    guard BN_rand(number, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 else { return false }
    return BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil
  }

  private static func setAlternativeName(_ certificate: OpaquePointer, _ names: String) -> Bool {
    guard let conf = X509V3_EXT_conf_nid(nil, nil, NID_subject_alt_name, names) else {
      return false
    }
    defer { X509_EXTENSION_free(conf) }
    return X509_add_ext(certificate, conf, -1) == 1
  }

  private static func text(_ write: (OpaquePointer) -> Bool) -> String? {
    guard let bio = BIO_new(BIO_s_mem()) else { return nil }
    defer { BIO_free(bio) }
    guard write(bio) else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(BIO_ctrl_pending(bio)))
    let count = BIO_read(bio, &bytes, Int32(clamping: bytes.count))
    return count == bytes.count ? String(validating: bytes, as: UTF8.self) : nil
  }

  private static func fingerprint(of certificate: OpaquePointer) -> Digest? {
    let count = i2d_X509(certificate, nil)
    guard count > 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(count))
    let written = bytes.withUnsafeMutableBufferPointer { buffer in
      var cursor: UnsafeMutablePointer<UInt8>? = buffer.baseAddress
      return i2d_X509(certificate, &cursor)
    }
    return written == count ? sha256(bytes) : nil
  }
}

/// libcrypto could not do what was asked.
package struct SigningFault: Error, Equatable, CustomStringConvertible {
  package let description: String
  init(_ description: String) { self.description = description }
}
