// The jobs on hosts: custom domains and their certificates, wildcards, redirects. A press host is the host of that name
// in the table; a wildcard domain is the host `*.<domain>`.
//
// Each reads its call and gives the job; certificates are parsed here, so not on the Publisher's thread. What is wrong
// with a name or a certificate fails the job. File names in a pushed certificate are names of its parts, and nothing is
// ever written under them.
#pragma once

#include "admin/press_api/draft.h"
#include "admin/press_api/job_call.h"

namespace hybridge {

Job add_host(JobCall& call);          // {"name", "target", "certificate": {"fullchain.pem", "privkey.pem", …}}
Job add_wildcards(JobCall& call);     // [{"domain", "certificate", "code_server"?}…], or {} for none
Job remove_host(JobCall& call);       // path: host
Job setup_redirects(JobCall& call);   // {"domains", "target"}
Job remove_redirects(JobCall& call);  // {"domains"}

}  // namespace hybridge
