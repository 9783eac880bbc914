package standin

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// object returns bucket and key that a request of S3 names, in path or host.
func object(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if host, _, ok := strings.Cut(r.Host, ".localhost"); ok {
		return host, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// s3Operations are by method; of what the query has, the first decides. An
// empty parameter is there in all requests.
var s3Operations = map[string][]struct{ parameter, bucket, object string }{
	"GET": {
		{"versions", "ListObjectVersions", ""}, {"versioning", "GetBucketVersioning", ""}, {"location", "GetBucketLocation", ""},
		{"encryption", "GetBucketEncryption", ""}, {"policy", "GetBucketPolicy", ""}, {"notification", "GetBucketNotificationConfiguration", ""},
		{"uploads", "ListMultipartUploads", ""}, {"uploadId", "", "ListParts"}, {"tagging", "GetBucketTagging", "GetObjectTagging"},
		{"attributes", "", "GetObjectAttributes"}, {"acl", "GetBucketAcl", "GetObjectAcl"}, {"", "ListObjects", "GetObject"},
	},
	"HEAD": {{"", "HeadBucket", "HeadObject"}},
	"PUT": {
		{"partNumber", "", "UploadPart"}, {"tagging", "PutBucketTagging", "PutObjectTagging"}, {"acl", "PutBucketAcl", "PutObjectAcl"},
		{"versioning", "PutBucketVersioning", ""}, {"policy", "PutBucketPolicy", ""}, {"notification", "PutBucketNotificationConfiguration", ""},
		{"encryption", "PutBucketEncryption", ""}, {"lifecycle", "PutBucketLifecycleConfiguration", ""}, {"publicAccessBlock", "PutPublicAccessBlock", ""},
		{"", "CreateBucket", "PutObject"},
	},
	"POST":   {{"delete", "DeleteObjects", ""}, {"uploads", "", "CreateMultipartUpload"}, {"uploadId", "", "CompleteMultipartUpload"}},
	"DELETE": {{"uploadId", "", "AbortMultipartUpload"}, {"tagging", "", "DeleteObjectTagging"}, {"", "DeleteBucket", "DeleteObject"}},
}

func s3Operation(r *http.Request) string {
	bucket, key := object(r)
	if bucket == "" {
		return "ListBuckets"
	}
	for _, o := range s3Operations[r.Method] {
		if o.parameter != "" && !r.URL.Query().Has(o.parameter) {
			continue
		}
		operation := o.object
		if key == "" {
			operation = o.bucket
		}
		if operation == "PutObject" && r.Header.Get("X-Amz-Copy-Source") != "" {
			operation = "CopyObject"
		}
		return operation
	}
	return ""
}

// s3Checks are the part of checks that is about S3.
var s3Checks = map[string]func(request) []need{
	"s3:ListBuckets":                        func(request) []need { return []need{{"s3:ListAllMyBuckets", "*"}} },
	"s3:ListObjects":                        renamed("s3:ListBucket"),
	"s3:ListObjectVersions":                 renamed("s3:ListBucketVersions"),
	"s3:HeadBucket":                         renamed("s3:ListBucket"),
	"s3:ListMultipartUploads":               renamed("s3:ListBucketMultipartUploads"),
	"s3:GetBucketEncryption":                renamed("s3:GetEncryptionConfiguration"),
	"s3:GetBucketNotificationConfiguration": renamed("s3:GetBucketNotification"),
	"s3:GetObject":                          reading,
	"s3:HeadObject":                         reading,
	"s3:PutObject":                          writing,
	"s3:CreateMultipartUpload":              writing,
	"s3:UploadPart":                         writing,
	"s3:CompleteMultipartUpload":            writing,
	"s3:CopyObject":                         copying,
	"s3:AbortMultipartUpload":               onObject("s3:AbortMultipartUpload"),
	"s3:ListParts":                          onObject("s3:ListMultipartUploadParts"),
	"s3:GetObjectAttributes":                onObject("s3:GetObjectAttributes", "s3:GetObject"),
	"s3:GetObjectTagging":                   onObject("s3:GetObjectTagging"),
	"s3:PutObjectTagging":                   onObject("s3:PutObjectTagging"),
	"s3:DeleteObjectTagging":                onObject("s3:DeleteObjectTagging"),
	"s3:GetObjectAcl":                       onObject("s3:GetObjectAcl"),
	"s3:PutObjectAcl":                       onObject("s3:PutObjectAcl"),
	"s3:DeleteObject":                       deleting,
	"s3:DeleteObjects":                      deletingMany,
}

func (q request) objectARN() string {
	bucket, key := object(q.http)
	return "arn:aws:s3:::" + bucket + "/" + key
}

func onObject(actions ...string) func(request) []need {
	return func(q request) []need {
		var all []need
		for _, a := range actions {
			all = append(all, need{a, q.objectARN()})
		}
		return all
	}
}

func reading(q request) []need {
	if q.http.URL.Query().Has("versionId") {
		return []need{{"s3:GetObjectVersion", q.objectARN()}}
	}
	return []need{{"s3:GetObject", q.objectARN()}}
}

func writing(q request) []need {
	all := []need{{"s3:PutObject", q.objectARN()}}
	for header, action := range map[string]string{"X-Amz-Acl": "s3:PutObjectAcl", "X-Amz-Tagging": "s3:PutObjectTagging"} {
		if q.http.Header.Get(header) != "" {
			all = append(all, need{action, q.objectARN()})
		}
	}
	return all
}

func copying(q request) []need {
	source, _ := url.PathUnescape(strings.TrimPrefix(q.http.Header.Get("X-Amz-Copy-Source"), "/"))
	source, version, _ := strings.Cut(source, "?versionId=")
	action := "s3:GetObject"
	if version != "" {
		action = "s3:GetObjectVersion"
	}
	return append(writing(q), need{action, "arn:aws:s3:::" + source})
}

func deleting(q request) []need {
	if q.http.URL.Query().Has("versionId") {
		return []need{{"s3:DeleteObjectVersion", q.objectARN()}}
	}
	return []need{{"s3:DeleteObject", q.objectARN()}}
}

var keyElement = regexp.MustCompile(`<Key>([^<]*)</Key>`)

func deletingMany(q request) []need {
	bucket, _ := object(q.http)
	var all []need
	for _, m := range keyElement.FindAllSubmatch(q.body, -1) {
		all = append(all, need{"s3:DeleteObject", "arn:aws:s3:::" + bucket + "/" + string(m[1])})
	}
	return all
}
