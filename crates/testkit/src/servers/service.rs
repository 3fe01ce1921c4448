//! Who is stood in for, and by which servers.

/// A service that a server stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// fal.ai: a queue, and answers at once.
    Fal,
    /// Replicate: predictions.
    Replicate,
    /// Lumenfall: the images API of OpenAI, in front of others.
    Lumenfall,
    /// OpenAI itself.
    OpenAi,
    /// Black Forest Labs: jobs, with the address to ask at.
    Bfl,
    /// Together: nearly the images API.
    Together,
    /// Any server that speaks the images API, in many dialects.
    Compat,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Fal, Self::Replicate, Self::Lumenfall, Self::OpenAi, Self::Bfl, Self::Together, Self::Compat];

    /// Its name in faults, in the journal and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fal => "fal",
            Self::Replicate => "replicate",
            Self::Lumenfall => "lumenfall",
            Self::OpenAi => "openai",
            Self::Bfl => "bfl",
            Self::Together => "together",
            Self::Compat => "compat",
        }
    }

    /// The only key that it takes, in the form of its keys and easily found where it does not belong.
    pub fn key(self) -> &'static str {
        match self {
            Self::Fal => "testkit-fal-id:testkit-fal-secret",
            Self::Replicate => "r8_testkit_replicate_secret",
            Self::Lumenfall => "lmnfl_testkit.lumenfall-secret",
            Self::OpenAi => "sk-testkit-openai-secret",
            Self::Bfl => "testkit-bfl-secret",
            Self::Together => "testkit-together-secret",
            Self::Compat => "testkit-compat-secret",
        }
    }

    /// The variable in which its official clients look for a key.
    pub fn key_variable(self) -> &'static str {
        match self {
            Self::Fal => "FAL_KEY",
            Self::Replicate => "REPLICATE_API_TOKEN",
            Self::Lumenfall => "LUMENFALL_API_KEY",
            Self::OpenAi => "OPENAI_API_KEY",
            Self::Bfl => "BFL_API_KEY",
            Self::Together => "TOGETHER_API_KEY",
            Self::Compat => "COMPAT_API_KEY",
        }
    }

    /// The variable that says where it is, in place of its own address.
    pub fn base_variable(self) -> String {
        format!("RONDEL_{}_BASE_URL", self.name().to_uppercase())
    }

    /// The path that stands before all others at its address.
    pub fn base_path(self) -> &'static str {
        match self {
            Self::Fal => "",
            Self::Lumenfall => "/openai/v1",
            Self::Replicate | Self::OpenAi | Self::Bfl | Self::Together | Self::Compat => "/v1",
        }
    }

    /// The origin that its base address is of.
    pub(super) fn origin(self) -> Origin {
        match self {
            Self::Fal => Origin::FalQueue,
            Self::Replicate => Origin::Replicate,
            Self::Lumenfall => Origin::Lumenfall,
            Self::OpenAi => Origin::OpenAi,
            Self::Bfl => Origin::Bfl,
            Self::Together => Origin::Together,
            Self::Compat => Origin::Compat,
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}

/// One server: a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `queue.fal.run`, and for those who know one address of fal alone, its uploads, too.
    FalQueue,
    /// `fal.run`
    FalRun,
    /// `rest.fal.ai`
    FalRest,
    /// `api.replicate.com`
    Replicate,
    /// `api.lumenfall.ai`
    Lumenfall,
    /// `api.openai.com`
    OpenAi,
    /// `api.bfl.ai`
    Bfl,
    /// `api.together.ai`
    Together,
    /// A server of the house.
    Compat,
    /// Where pictures and uploads of all services lie.
    Files,
    /// A host that nobody configured: where redirects lead.
    Elsewhere,
    /// What went on, and faults for those who cannot call [`super::Providers::fail`].
    Admin,
}

impl Origin {
    /// All of them, in the order of their ports.
    pub const ALL: [Self; 12] = [
        Self::FalQueue,
        Self::FalRun,
        Self::FalRest,
        Self::Replicate,
        Self::Lumenfall,
        Self::OpenAi,
        Self::Bfl,
        Self::Together,
        Self::Compat,
        Self::Files,
        Self::Elsewhere,
        Self::Admin,
    ];

    /// Its name in the journal and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::FalQueue => "fal-queue",
            Self::FalRun => "fal-run",
            Self::FalRest => "fal-rest",
            Self::Replicate => "replicate",
            Self::Lumenfall => "lumenfall",
            Self::OpenAi => "openai",
            Self::Bfl => "bfl",
            Self::Together => "together",
            Self::Compat => "compat",
            Self::Files => "files",
            Self::Elsewhere => "elsewhere",
            Self::Admin => "admin",
        }
    }

    /// Whose server it is; nobody's, if it is not one that a key belongs to.
    pub fn provider(self) -> Option<Provider> {
        match self {
            Self::FalQueue | Self::FalRun | Self::FalRest => Some(Provider::Fal),
            Self::Replicate => Some(Provider::Replicate),
            Self::Lumenfall => Some(Provider::Lumenfall),
            Self::OpenAi => Some(Provider::OpenAi),
            Self::Bfl => Some(Provider::Bfl),
            Self::Together => Some(Provider::Together),
            Self::Compat => Some(Provider::Compat),
            Self::Files | Self::Elsewhere | Self::Admin => None,
        }
    }

    /// Whether pictures are the answer to the request for them, without a job that could be asked about.
    pub(super) fn is_at_once(self) -> bool {
        matches!(self, Self::FalRun | Self::Lumenfall | Self::OpenAi | Self::Together | Self::Compat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_server_is_one_of_all() {
        let with_a_server = Origin::ALL.into_iter().filter_map(Origin::provider);
        assert!(with_a_server.clone().count() > 0);
        assert!(with_a_server.into_iter().all(|provider| Provider::named(provider.name()) == Some(provider)));
        assert!(Provider::ALL.into_iter().all(|provider| provider.origin().provider() == Some(provider)));
    }
}
