//! What a pod is told of its Kubernetes cluster: where the API server is, by two variables, and which namespace it is in, by a file.
//!
//! It exists because the edge reads neither environment nor files of its own accord. What settings say stands above it.

use sallyport_config::{Environment, Mistake};
use sallyport_gateway::KubernetesSettings;

/// Completes the services of the cluster that the edge's settings name.
///
/// # Errors
/// For each part that is neither in the settings nor known from the cluster.
pub(crate) fn complete(
    settings: &mut sallyport_gateway::Settings,
    environment: &Environment,
) -> Result<(), Vec<Mistake>> {
    let api_server = || {
        let host = environment.get("KUBERNETES_SERVICE_HOST")?;
        let port = environment.get("KUBERNETES_SERVICE_PORT")?;
        KubernetesSettings::api_server_at(&host, &port)
    };
    let mut mistakes = Vec::new();
    for (group, service) in settings.services_of_the_cluster() {
        if service.api_server.is_none() {
            service.api_server = api_server();
        }
        if service.namespace.is_none() {
            service.namespace = namespace();
        }
        let parts = [
            ("api_server", service.api_server.is_none()),
            ("namespace", service.namespace.is_none()),
        ];
        let missing = parts.into_iter().filter(|(_, is_missing)| *is_missing);
        mistakes.extend(missing.map(|(part, _)| Mistake {
            file: "gateway.yaml".to_owned(),
            line: None,
            key: format!("upstreams.{group}.kubernetes.{part}"),
            reason: "must be set, since this is no pod of a cluster".to_owned(),
        }));
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes)
    }
}

fn namespace() -> Option<String> {
    let namespace = std::fs::read_to_string(KubernetesSettings::namespace_file()).ok()?;
    Some(namespace.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &str) -> sallyport_gateway::Settings {
        let service = format!(r#"{{"service": "api", "port": "http"{more}}}"#);
        let settings = format!(r#"{{"upstreams": {{"api": {{"kubernetes": {service}}}}}}}"#);
        serde_json::from_str(&settings).unwrap()
    }

    fn pod() -> Environment {
        let variables = [
            ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
            ("KUBERNETES_SERVICE_PORT", "443"),
        ];
        Environment::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn api_server_of(settings: &mut sallyport_gateway::Settings) -> String {
        let (_, service) = settings.services_of_the_cluster().next().unwrap();
        service.api_server.as_ref().unwrap().to_string()
    }

    #[test]
    fn a_pod_finds_its_api_server_unless_settings_name_another() {
        let mut of_pod = settings(r#", "namespace": "shop""#);
        let own = r#", "namespace": "shop", "api_server": "https://k8s.test:6443""#;
        let mut of_settings = settings(own);

        complete(&mut of_pod, &pod()).unwrap();
        complete(&mut of_settings, &pod()).unwrap();

        assert_eq!(api_server_of(&mut of_pod), "https://10.96.0.1/");
        assert_eq!(api_server_of(&mut of_settings), "https://k8s.test:6443/");
    }

    #[test]
    fn outside_a_cluster_settings_say_everything() {
        let mistakes = complete(&mut settings(""), &Environment::default()).unwrap_err();

        let told: Vec<_> = mistakes.iter().map(Mistake::to_string).collect();
        assert!(told[0].contains("upstreams.api.kubernetes.api_server must be set"));
    }
}
