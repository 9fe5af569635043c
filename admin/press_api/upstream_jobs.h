// The jobs on upstreams and their sites. A press upstream is the server of that name in the table, made with that
// address as its endpoint; a site file in its directory is a site on that server. So both APIs see one table.
//
// Each reads its call and gives the job; pure functions. Names are checked when the job runs, and fail it.
#pragma once

#include "admin/press_api/draft.h"
#include "admin/press_api/job_call.h"

namespace hybridge {

Job add_upstream(JobCall& call);     // {"name"}
Job rename_upstream(JobCall& call);  // path: upstream; {"name"}
Job add_sites(JobCall& call);        // path: upstream; {"name": one or a list}
Job add_domain(JobCall& call);       // path: upstream; {"domain"}
Job remove_site(JobCall& call);      // path: upstream, site; {"extra_domains"?}
Job rename_site(JobCall& call);      // path: upstream, site; {"new_name", "domains"?}
Job set_site_status(JobCall& call);  // path: upstream, site; {"status", "extra_domains"?, "skip_reload"?}
Job add_secondaries(JobCall& call);  // path: upstream; {"secondary_upstreams": [{address: weight}]}
Job remove_secondaries(JobCall& call);

}  // namespace hybridge
